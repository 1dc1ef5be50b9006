import Glibc

extension Interpreter {
    func numberFilter(_ name: String, _ value: Value, _ arguments: Arguments) throws -> Value? {
        switch name {
        case "int":
            let values = try arguments.values(name, ["default", "base"])
            if case .undefined(let undefined) = value { throw undefined.failure }
            return integer(value, base: values[1].given?.integer ?? 10) ?? values[0].given ?? .int(0)
        case "float":
            let values = try arguments.values(name, ["default"])
            if case .undefined(let undefined) = value { throw undefined.failure }
            return number(value).map(Value.float) ?? values[0].given ?? .float(0)
        case "abs":
            switch value {
            case .undefined(let undefined): throw undefined.failure
            case .float(let double): return .float(double.magnitude)
            default:
                guard let integer = value.integer else {
                    throw TemplateFailure.type("bad operand type for abs(): '\(value.typeName)'")
                }
                return integer < 0 ? try negate(.int(integer), isPlus: false) : .int(integer)
            }
        case "round": return try round(value, arguments)
        case "filesizeformat": return try fileSize(value, arguments)
        default: return nil
        }
    }

    /// `int(value)`; nil where Python raises an error.
    private func integer(_ value: Value, base: Int) -> Value? {
        switch value {
        case .int, .largeInteger: return value
        case .bool(let bool): return .int(bool ? 1 : 0)
        case .float(let double): return Int(exactly: double.rounded(.towardZero)).map(Value.int)
        case .string(let text):
            let stripped = text.stripped(by: nil, left: true, right: true).string
            if let integer = Interpreter.parseInteger(stripped, base: base) { return .int(integer) }
            guard let double = Interpreter.parseFloat(stripped) else { return nil }
            return Int(exactly: double.rounded(.towardZero)).map(Value.int)
        default: return nil
        }
    }

    private static func parseInteger(_ text: String, base: Int) -> Int? {
        var digits = text[...]
        var sign = ""
        if let first = digits.first, first == "-" || first == "+" {
            sign = first == "-" ? "-" : ""
            digits = digits.dropFirst()
        }
        var base = base
        for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] where digits.lowercased().hasPrefix(prefix) {
            guard base == radix || base == 0 else { continue }
            base = radix
            digits = digits.dropFirst(2)
            break
        }
        if base == 0 { base = 10 }
        guard (2...36).contains(base), isGrouped(digits) else { return nil }
        return Int(sign + digits.filter { $0 != "_" }, radix: base)
    }

    /// Whether underscores stand only between digits.
    private static func isGrouped(_ digits: Substring) -> Bool {
        !digits.isEmpty && digits.first != "_" && digits.last != "_" && !digits.contains("__")
            && digits.first != "-" && digits.first != "+"
    }

    static func parseFloat(_ text: String) -> Double? {
        var digits = text.lowercased()[...]
        var isNegative = false
        if let first = digits.first, first == "-" || first == "+" {
            isNegative = first == "-"
            digits = digits.dropFirst()
        }
        let magnitude: Double?
        switch digits {
        case "inf", "infinity": magnitude = .infinity
        case "nan": magnitude = .nan
        default:
            let allowed = digits.allSatisfy { "0123456789.e+-_".contains($0) }
            guard allowed, isGrouped(digits), let first = digits.first, first != "e" else { return nil }
            var plain = digits.filter { $0 != "_" }
            // Swift reads neither ".5" nor "5." in every form that Python does.
            if plain.hasPrefix(".") { plain = "0" + plain }
            plain = plain.replacing(".e", with: ".0e", maxReplacements: 1)
            if plain.hasSuffix(".") { plain += "0" }
            if plain == "0.0", !digits.contains(where: \.isNumber) { return nil }
            magnitude = Double(plain)
        }
        return magnitude.map { isNegative ? -$0 : $0 }
    }

    /// `float(value)`; nil where Python raises an error.
    private func number(_ value: Value) -> Double? {
        if let text = value.text {
            return Interpreter.parseFloat(text.stripped(by: nil, left: true, right: true).string)
        }
        return value.number
    }

    private func round(_ value: Value, _ arguments: Arguments) throws -> Value {
        let values = try arguments.values("round", ["precision", "method"])
        let precision = values[0].given?.integer ?? 0
        let method = try values[1].given.map { try text($0).string } ?? "common"
        guard ["common", "ceil", "floor"].contains(method) else {
            throw TemplateFailure.argument("method must be common, ceil or floor")
        }
        if case .undefined(let undefined) = value { throw undefined.failure }
        guard let number = value.number else {
            throw TemplateFailure.type("type \(value.typeName) doesn't define __round__ method")
        }
        if method == "common" {
            if let integer = value.integer { return .int(precision >= 0 ? integer : roundInteger(integer, precision)) }
            return .float(roundFloat(number, precision))
        }
        let factor = pow(10, Double(precision))
        let scaled = number * factor
        return .float((method == "ceil" ? scaled.rounded(.up) : scaled.rounded(.down)) / factor)
    }

    /// Rounds to tens, hundreds and so on; halves to even.
    private func roundInteger(_ value: Int, _ precision: Int) -> Int {
        guard precision > -19 else { return 0 }
        var unit = 1
        for _ in 0..<(-precision) { unit *= 10 }
        let remainder = ((value % unit) + unit) % unit
        let low = value - remainder
        if remainder * 2 == unit { return (low / unit) % 2 == 0 ? low : low &+ unit }
        return remainder * 2 < unit ? low : low &+ unit
    }

    /// Python rounds the exact decimal value of the double, halves to even; so does the C library's printing.
    private func roundFloat(_ value: Double, _ precision: Int) -> Double {
        guard value.isFinite, precision < 300 else { return value }
        if precision < 0 {
            let unit = pow(10, Double(-precision))
            return unit.isFinite ? (value / unit).rounded(.toNearestOrEven) * unit : 0
        }
        return Double(CFormat.double(value, conversion: "f", precision: precision)) ?? value
    }

    private func fileSize(_ value: Value, _ arguments: Arguments) throws -> Value {
        let isBinary = try arguments.values("filesizeformat", ["binary"])[0].given?.isTrue ?? false
        if case .undefined(let undefined) = value { throw undefined.failure }
        guard let bytes = number(value) else { throw TemplateFailure.value("could not convert to float") }
        if bytes == 1 { return .string("1 Byte") }
        let base = isBinary ? 1024.0 : 1000.0
        if bytes < base { return .string("\(Int(bytes)) Bytes") }
        var unit = base
        let prefixes =
            isBinary
            ? ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"]
            : ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"]
        for (index, prefix) in prefixes.enumerated() {
            unit *= base
            if bytes < unit || index == prefixes.count - 1 {
                return .string("\(CFormat.double(base * bytes / unit, conversion: "f", precision: 1)) \(prefix)")
            }
        }
        return .none
    }
}

/// The C library's printing of doubles.
enum CFormat {
    /// - Parameter flags: of `printf`, such as `#`.
    static func double(_ value: Double, conversion: Character, precision: Int, flags: String = "") -> String {
        let precision = min(precision, 400)
        var buffer = [CChar](repeating: 0, count: 1024)
        let count = withVaList([value]) {
            vsnprintf(&buffer, buffer.count, "%\(flags).\(precision)\(conversion)", $0)
        }
        return String(decoding: buffer.prefix(Int(max(count, 0))).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
