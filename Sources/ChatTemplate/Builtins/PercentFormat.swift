/// `format % values` of Python.
extension Interpreter {
    struct FormatSpecification {
        var fill: Unicode.Scalar = " "
        var alignment: Unicode.Scalar?
        var sign: Unicode.Scalar = "-"
        var isAlternate = false
        var padsWithZeros = false
        var width = 0
        var grouping: Unicode.Scalar?
        var precision: Int?
        var type: Unicode.Scalar?
    }

    func formatPercent(_ format: Text, _ operand: Value) throws -> Value {
        var reader = PercentReader(format: format.scalars)
        var values: [Value]
        if case .tuple(let list) = operand { values = list.items } else { values = [operand] }
        values.reverse()
        let mapping: DictValue? = if case .dict(let dict) = operand { dict } else { nil }
        var usedMapping = false
        var result: [Unicode.Scalar] = []
        func nextValue() throws -> Value {
            guard let value = values.popLast() else {
                throw TemplateFailure.type("not enough arguments for format string")
            }
            return value
        }
        while let part = try reader.next() {
            switch part {
            case .text(let text): result += text
            case .directive(var directive):
                if directive.specification.type == "%" {
                    result.append("%")
                    continue
                }
                var value: Value?
                if let key = directive.key {
                    guard let mapping else { throw TemplateFailure.type("format requires a mapping") }
                    guard let member = mapping[.text(key)] else {
                        throw TemplateFailure.python(kind: "KeyError", message: key.representation)
                    }
                    usedMapping = true
                    value = member
                }
                if directive.widthIsArgument {
                    let width = try nextValue().integer ?? 0
                    if width < 0 { directive.specification.alignment = "<" }
                    directive.specification.width = Int(min(width.magnitude, 1 << 40))
                }
                if directive.precisionIsArgument {
                    directive.specification.precision = max(try nextValue().integer ?? 0, 0)
                }
                let text = try percentField(value ?? nextValue(), directive.specification)
                try budget.allocate(text.count)
                result += text
            }
        }
        if !values.isEmpty, !usedMapping, mapping == nil, !isListLike(operand) {
            throw TemplateFailure.type("not all arguments converted during string formatting")
        }
        try budget.allocate(format.count)
        return .string(Text(result, isMarkup: format.isMarkup))
    }

    /// Python lets a mapping or a list stand unused.
    private func isListLike(_ value: Value) -> Bool {
        switch value {
        case .list, .range, .undefined: true
        default: false
        }
    }

    private func percentField(_ value: Value, _ given: FormatSpecification) throws -> [Unicode.Scalar] {
        var specification = given
        let type = specification.type ?? "s"
        switch type {
        case "s", "r", "a":
            var text = type == "s" ? try text(value).scalars : try representation(value).scalars
            if type == "a" { text = text.flatMap { $0.isASCII ? [$0] : Text.escape($0) } }
            if let precision = specification.precision { text = Array(text.prefix(precision)) }
            specification.alignment = specification.alignment ?? ">"
            specification.fill = " "
            return try align([], text, specification)
        case "c":
            let text: [Unicode.Scalar]
            if let given = value.text, given.count == 1 {
                text = given.scalars
            } else if let code = value.integer, let scalar = UInt32(exactly: code).flatMap(Unicode.Scalar.init) {
                text = [scalar]
            } else {
                throw TemplateFailure.type("%c requires int or char")
            }
            specification.alignment = specification.alignment ?? ">"
            return try align([], text, specification)
        case "d", "i", "u":
            if case .largeInteger(let digits) = value { return digits.scalars }
            if case .undefined(let undefined) = value { throw undefined.failure }
            guard let number = value.number, number.magnitude < 9.2e18 else {
                throw TemplateFailure.type("%\(type) format: a real number is required, not \(value.typeName)")
            }
            specification.type = "d"
            if let precision = specification.precision {
                let digits = String((value.integer ?? Int(number)).magnitude)
                specification.precision = nil
                guard precision <= 4096 else { throw TemplateFailure.value("precision too large") }
                let padded = String(repeating: "0", count: max(0, precision - digits.count)) + digits
                return try align(sign(number < 0, specification), Array(padded.unicodeScalars), specification)
            }
            return try formatNumber(.int(value.integer ?? Int(number)), specification)
        case "x", "X", "o":
            guard value.integer != nil else {
                throw TemplateFailure.type("%\(type) format: an integer is required, not \(value.typeName)")
            }
            return try formatNumber(value, specification)
        case "e", "E", "f", "F", "g", "G":
            if case .undefined(let undefined) = value { throw undefined.failure }
            guard let number = value.number else {
                throw TemplateFailure.type("must be real number, not \(value.typeName)")
            }
            return try formatNumber(.float(number), specification)
        default:
            throw TemplateFailure.value("unsupported format character '\(type)' (0x\(String(type.value, radix: 16)))")
        }
    }
}

/// Splits a `%` format into text and directives.
private struct PercentReader {
    struct Directive {
        var key: Text?
        var specification = Interpreter.FormatSpecification()
        var widthIsArgument = false
        var precisionIsArgument = false
    }

    enum Part {
        case text(ArraySlice<Unicode.Scalar>)
        case directive(Directive)
    }

    let format: [Unicode.Scalar]
    var place = 0

    init(format: [Unicode.Scalar]) { self.format = format }

    mutating func next() throws -> Part? {
        guard place < format.count else { return nil }
        if format[place] != "%" {
            let end = format[place...].firstIndex(of: "%") ?? format.count
            defer { place = end }
            return .text(format[place..<end])
        }
        place += 1
        return .directive(try directive())
    }

    private mutating func directive() throws -> Directive {
        var directive = Directive()
        if peek == "(" {
            guard let end = format[place...].firstIndex(of: ")") else {
                throw TemplateFailure.value("incomplete format key")
            }
            directive.key = Text(format[(place + 1)..<end])
            place = end + 1
        }
        flags: while let flag = peek {
            switch flag {
            case "-": directive.specification.alignment = "<"
            case "+": directive.specification.sign = "+"
            case " ": if directive.specification.sign != "+" { directive.specification.sign = " " }
            case "#": directive.specification.isAlternate = true
            case "0": directive.specification.padsWithZeros = true
            default: break flags
            }
            place += 1
        }
        if peek == "*" {
            directive.widthIsArgument = true
            place += 1
        } else {
            directive.specification.width = number() ?? 0
        }
        if peek == "." {
            place += 1
            if peek == "*" {
                directive.precisionIsArgument = true
                place += 1
            } else {
                directive.specification.precision = number() ?? 0
            }
        }
        while peek == "h" || peek == "l" || peek == "L" { place += 1 }
        guard let type = peek else { throw TemplateFailure.value("incomplete format") }
        place += 1
        directive.specification.type = type
        return directive
    }

    private var peek: Unicode.Scalar? { place < format.count ? format[place] : nil }

    private mutating func number() -> Int? {
        var value: Int?
        while let digit = peek, digit.isASCIIDigit {
            value = min((value ?? 0) * 10 + Int(digit.value - 0x30), 1 << 40)
            place += 1
        }
        return value
    }
}
