/// `str.format` of Python, in Jinja's sandbox.
extension Interpreter {
    func formatBraces(_ format: Text, _ arguments: Arguments, nesting: Int = 2) throws -> Text {
        guard nesting > 0 else { throw TemplateFailure.value("Max string recursion exceeded") }
        var automatic = 0
        return try formatBraces(format, arguments, automatic: &automatic, nesting: nesting)
    }

    private func formatBraces(
        _ format: Text, _ arguments: Arguments, automatic: inout Int, nesting: Int
    ) throws -> Text {
        let source = format.scalars
        var result: [Unicode.Scalar] = []
        var place = 0
        while place < source.count {
            let scalar = source[place]
            guard scalar == "{" || scalar == "}" else {
                result.append(scalar)
                place += 1
                continue
            }
            if place + 1 < source.count, source[place + 1] == scalar {
                result.append(scalar)
                place += 2
                continue
            }
            guard scalar == "{" else { throw TemplateFailure.value("Single '}' encountered in format string") }
            var end = place + 1
            var depth = 1
            while end < source.count {
                if source[end] == "{" { depth += 1 }
                if source[end] == "}" { depth -= 1 }
                if depth == 0 { break }
                end += 1
            }
            guard depth == 0 else { throw TemplateFailure.value("expected '}' before end of string") }
            let field = try formatField(
                Array(source[(place + 1)..<end]), arguments, automatic: &automatic, nesting: nesting)
            try budget.allocate(field.count)
            result += field
            place = end + 1
        }
        try budget.allocate(format.count)
        return Text(result, isMarkup: format.isMarkup)
    }

    private func formatField(
        _ field: [Unicode.Scalar], _ arguments: Arguments, automatic: inout Int, nesting: Int
    ) throws -> [Unicode.Scalar] {
        var nameEnd = 0
        var bracket = false
        while nameEnd < field.count {
            if field[nameEnd] == "[" { bracket = true }
            if field[nameEnd] == "]" { bracket = false }
            if !bracket, field[nameEnd] == "!" || field[nameEnd] == ":" { break }
            nameEnd += 1
        }
        var value = try fieldValue(Array(field[..<nameEnd]), arguments, automatic: &automatic)
        var rest = field[nameEnd...]
        if rest.first == "!" {
            guard let conversion = rest.dropFirst().first, rest.count == 2 || rest.dropFirst(2).first == ":" else {
                throw TemplateFailure.value("expected ':' after conversion specifier")
            }
            switch conversion {
            case "s": value = .string(try text(value))
            case "r": value = .string(try representation(value))
            case "a":
                value = .string(Text(try representation(value).scalars.flatMap { $0.isASCII ? [$0] : Text.escape($0) }))
            default: throw TemplateFailure.value("Unknown conversion specifier \(conversion)")
            }
            rest = rest.dropFirst(2)
        }
        var specification = Text(Array(rest.dropFirst()))
        if specification.scalars.contains("{") {
            guard nesting > 1 else { throw TemplateFailure.value("Max string recursion exceeded") }
            specification = try formatBraces(specification, arguments, automatic: &automatic, nesting: nesting - 1)
        }
        return try formatted(value, specification)
    }

    private func fieldValue(
        _ name: [Unicode.Scalar], _ arguments: Arguments, automatic: inout Int
    ) throws -> Value {
        let firstEnd = name.firstIndex { $0 == "." || $0 == "[" } ?? name.count
        let first = Text(name[..<firstEnd]).string
        var value: Value
        if first.isEmpty || Int(first) != nil {
            let index = Int(first) ?? automatic
            if first.isEmpty { automatic += 1 }
            guard arguments.positional.indices.contains(index) else {
                throw TemplateFailure.python(
                    kind: "IndexError", message: "Replacement index \(index) out of range for positional args tuple")
            }
            value = arguments.positional[index]
        } else {
            guard let found = arguments.keyword.first(where: { $0.name == first }) else {
                throw TemplateFailure.python(kind: "KeyError", message: "'\(first)'")
            }
            value = found.value
        }
        var place = firstEnd
        while place < name.count {
            if name[place] == "." {
                let end = name[(place + 1)...].firstIndex { $0 == "." || $0 == "[" } ?? name.count
                value = try attribute(value, Text(name[(place + 1)..<end]).string)
                place = end
            } else {
                guard name[place] == "[", let end = name[place...].firstIndex(of: "]") else {
                    throw TemplateFailure.value("Missing ']' in format string")
                }
                let key = Text(name[(place + 1)..<end])
                value = try item(value, Int(key.string).map(Value.int) ?? .string(key))
                place = end + 1
            }
        }
        return value
    }

    /// `format(value, specification)`.
    private func formatted(_ value: Value, _ specification: Text) throws -> [Unicode.Scalar] {
        if specification.isEmpty { return try text(value).scalars }
        var parsed = try parse(specification)
        switch value {
        case .string(let text):
            guard parsed.type == nil || parsed.type == "s" else {
                throw TemplateFailure.value("Unknown format code '\(parsed.type ?? " ")' for object of type 'str'")
            }
            if parsed.padsWithZeros, parsed.alignment == nil { (parsed.fill, parsed.alignment) = ("0", "<") }
            parsed.padsWithZeros = false
            parsed.alignment = parsed.alignment ?? "<"
            return try align([], Array(text.scalars.prefix(parsed.precision ?? Int.max)), parsed)
        case .int, .bool, .float: return try formatNumber(value, parsed)
        case .undefined(let undefined): throw undefined.failure
        default:
            throw TemplateFailure.type("unsupported format string passed to \(value.typeName).__format__")
        }
    }

    private func parse(_ text: Text) throws -> FormatSpecification {
        var result = FormatSpecification()
        var rest = text.scalars[...]
        func isAlignment(_ scalar: Unicode.Scalar?) -> Bool {
            scalar.map { "<>=^".unicodeScalars.contains($0) } ?? false
        }
        if rest.count > 1, isAlignment(rest.dropFirst().first), let fill = rest.popFirst() {
            result.fill = fill
            result.alignment = rest.popFirst()
        } else if isAlignment(rest.first) {
            result.alignment = rest.popFirst()
        }
        if let sign = rest.first, "+- ".unicodeScalars.contains(sign) {
            result.sign = sign
            rest.removeFirst()
        }
        if rest.first == "#" {
            result.isAlternate = true
            rest.removeFirst()
        }
        if rest.first == "0" {
            result.padsWithZeros = true
            rest.removeFirst()
        }
        func number() -> Int? {
            var value: Int?
            while let digit = rest.first, digit.isASCIIDigit {
                value = min((value ?? 0) * 10 + Int(digit.value - 0x30), 1 << 40)
                rest.removeFirst()
            }
            return value
        }
        result.width = number() ?? 0
        if rest.first == "," || rest.first == "_" { result.grouping = rest.popFirst() }
        if rest.first == "." {
            rest.removeFirst()
            guard let precision = number() else { throw TemplateFailure.value("Format specifier missing precision") }
            result.precision = precision
        }
        result.type = rest.popFirst()
        guard rest.isEmpty else { throw TemplateFailure.value("Invalid format specifier") }
        return result
    }

    // MARK: Numbers

    func sign(_ isNegative: Bool, _ specification: FormatSpecification) -> [Unicode.Scalar] {
        if isNegative { return ["-"] }
        return specification.sign == "-" ? [] : [specification.sign]
    }

    func formatNumber(_ value: Value, _ specification: FormatSpecification) throws -> [Unicode.Scalar] {
        let type = specification.type
        if let integer = value.integer, type == nil || "dnxXobc".unicodeScalars.contains(type ?? "d") {
            if case .bool(let bool) = value, type == nil {
                var asText = specification
                asText.alignment = asText.alignment ?? ">"
                return try align([], Array((bool ? "1" : "0").unicodeScalars), asText)
            }
            return try formatInteger(integer, specification)
        }
        guard let number = value.number else {
            throw TemplateFailure.value("Unknown format code for object of type '\(value.typeName)'")
        }
        let magnitude = number.magnitude
        var digits: String
        var kind = type ?? (specification.precision == nil ? "r" : "g")
        if let precision = specification.precision, precision > 400 { throw TemplateFailure.value("precision too big") }
        if magnitude.isNaN || magnitude.isInfinite {
            digits = magnitude.isNaN ? "nan" : "inf"
            if kind.properties.isUppercase { digits = digits.uppercased() }
        } else {
            switch kind {
            case "r": digits = NumberText.float(magnitude)
            case "e", "E", "f", "F", "g", "G":
                digits = CFormat.double(
                    magnitude, conversion: Character(kind), precision: specification.precision ?? 6,
                    flags: specification.isAlternate ? "#" : "")
            case "%":
                digits = CFormat.double(magnitude * 100, conversion: "f", precision: specification.precision ?? 6) + "%"
            case "n":
                kind = "g"
                digits = CFormat.double(magnitude, conversion: "g", precision: specification.precision ?? 6)
            default:
                throw TemplateFailure.value("Unknown format code '\(kind)' for object of type '\(value.typeName)'")
            }
            if type == nil, specification.precision != nil, !digits.contains(where: { ".e".contains($0) }) {
                digits += ".0"
            }
        }
        if let grouping = specification.grouping { digits = Interpreter.grouped(digits, grouping) }
        var aligned = specification
        aligned.alignment = aligned.alignment ?? (specification.padsWithZeros ? "=" : ">")
        if specification.padsWithZeros, specification.alignment == nil { aligned.fill = "0" }
        let isNegative = number.sign == .minus && !number.isNaN
        return try align(sign(isNegative, specification), Array(digits.unicodeScalars), aligned)
    }

    private func formatInteger(_ integer: Int, _ specification: FormatSpecification) throws -> [Unicode.Scalar] {
        var digits: String
        var prefix = ""
        switch specification.type ?? "d" {
        case "x": (digits, prefix) = (String(integer.magnitude, radix: 16), "0x")
        case "X": (digits, prefix) = (String(integer.magnitude, radix: 16, uppercase: true), "0X")
        case "o": (digits, prefix) = (String(integer.magnitude, radix: 8), "0o")
        case "b": (digits, prefix) = (String(integer.magnitude, radix: 2), "0b")
        case "c":
            guard let scalar = UInt32(exactly: integer).flatMap(Unicode.Scalar.init) else {
                throw TemplateFailure.python(kind: "OverflowError", message: "%c arg not in range(0x110000)")
            }
            return try align([], [scalar], specification)
        default: digits = String(integer.magnitude)
        }
        if let grouping = specification.grouping { digits = Interpreter.grouped(digits, grouping) }
        var aligned = specification
        let padsWithZeros = specification.padsWithZeros && specification.alignment != "<"
        aligned.alignment = specification.alignment ?? (padsWithZeros ? "=" : ">")
        if padsWithZeros, specification.alignment == nil { aligned.fill = "0" }
        let signed = sign(integer < 0, specification) + (specification.isAlternate ? Array(prefix.unicodeScalars) : [])
        return try align(signed, Array(digits.unicodeScalars), aligned)
    }

    /// Commas between groups of three digits before the fraction.
    private static func grouped(_ digits: String, _ separator: Unicode.Scalar) -> String {
        let whole = digits.prefix { $0.isNumber }
        var result = ""
        for (index, digit) in whole.enumerated() {
            if index > 0, (whole.count - index) % 3 == 0 { result.unicodeScalars.append(separator) }
            result.append(digit)
        }
        return result + digits.dropFirst(whole.count)
    }

    func align(
        _ sign: [Unicode.Scalar], _ body: [Unicode.Scalar], _ specification: FormatSpecification
    ) throws -> [Unicode.Scalar] {
        let missing = specification.width - sign.count - body.count
        guard missing > 0 else { return sign + body }
        try budget.allocate(specification.width)
        let fill = { (count: Int) in Array(repeating: specification.fill, count: count) }
        switch specification.alignment {
        case "<": return sign + body + fill(missing)
        case "^": return fill(missing / 2) + sign + body + fill(missing - missing / 2)
        case "=": return sign + fill(missing) + body
        default: return fill(missing) + sign + body
        }
    }
}
