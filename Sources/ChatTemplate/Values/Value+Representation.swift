extension Value {
    /// The name of the type in Python, for errors.
    var typeName: String {
        switch self {
        case .undefined: "Undefined"
        case .none: "NoneType"
        case .bool: "bool"
        case .int, .largeInteger: "int"
        case .float: "float"
        case .string(let text): text.isMarkup ? "Markup" : "str"
        case .list: "list"
        case .tuple: "tuple"
        case .dict: "dict"
        case .view(let view): "dict_\(view.kind)"
        case .range: "range"
        case .generator(let generator): generator.name
        case .namespace: "Namespace"
        case .loop: "LoopContext"
        case .callable(let callable): callable.parameters == nil ? "function" : "Macro"
        }
    }

    /// How an undefined attribute's error names the object that lacks it.
    var objectName: String {
        switch self {
        case .undefined: "Undefined"
        case .none: "None"
        case .namespace: "jinja2.utils.Namespace object"
        case .loop: "jinja2.runtime.LoopContext object"
        default: "\(typeName) object"
        }
    }

    /// Python's truth.
    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let bool): bool
        case .int(let int): int != 0
        case .float(let double): double != 0
        case .string(let text): !text.isEmpty
        case .list(let list), .tuple(let list): !list.items.isEmpty
        case .dict(let dict): !dict.keys.isEmpty
        case .view(let view): !view.items.items.isEmpty
        case .range(let range): range.count > 0
        case .largeInteger, .generator, .namespace, .loop, .callable: true
        }
    }

    var isUndefined: Bool {
        if case .undefined = self { return true }
        return false
    }

    var isNone: Bool {
        if case .none = self { return true }
        return false
    }

    /// An integer; booleans are integers.
    var integer: Int? {
        switch self {
        case .int(let int): int
        case .bool(let bool): bool ? 1 : 0
        default: nil
        }
    }

    var number: Double? {
        switch self {
        case .float(let double): double
        case .largeInteger(let digits): Double(digits.string)
        default: integer.map(Double.init)
        }
    }

    var text: Text? {
        if case .string(let text) = self { return text }
        return nil
    }
}

extension Text {
    /// `repr` of a string.
    var representation: String { Text(representationScalars).string }

    var representationScalars: [Unicode.Scalar] {
        let quote: Unicode.Scalar = scalars.contains("'") && !scalars.contains("\"") ? "\"" : "'"
        var result: [Unicode.Scalar] = isMarkup ? Array("Markup(".unicodeScalars) : []
        result.append(quote)
        for scalar in scalars {
            switch scalar {
            case quote, "\\": result += ["\\", scalar]
            case "\n": result += ["\\", "n"]
            case "\r": result += ["\\", "r"]
            case "\t": result += ["\\", "t"]
            default:
                if scalar.isPythonPrintable { result.append(scalar) } else { result += Text.escape(scalar) }
            }
        }
        result.append(quote)
        if isMarkup { result.append(")") }
        return result
    }

    /// `\xXX`, `\uXXXX` or `\UXXXXXXXX`.
    static func escape(_ scalar: Unicode.Scalar) -> [Unicode.Scalar] {
        let (letter, width): (String, Int) =
            scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
        let digits = String(scalar.value, radix: 16)
        return Array(("\\" + letter + String(repeating: "0", count: width - digits.count) + digits).unicodeScalars)
    }
}

/// Python's texts of numbers.
enum NumberText {
    /// `repr` of a float: the shortest digits that read back the same, with an exponent below 1e-4 and from 1e16.
    static func float(_ value: Double) -> String {
        if value.isNaN { return "nan" }
        if value.isInfinite { return value < 0 ? "-inf" : "inf" }
        let (digits, exponent) = decimal(value.magnitude)
        let sign = value.sign == .minus ? "-" : ""
        if exponent < -4 || exponent >= 16 {
            let fraction = digits.count > 1 ? "." + digits.dropFirst() : ""
            let magnitude = exponent.magnitude < 10 ? "0\(exponent.magnitude)" : "\(exponent.magnitude)"
            return sign + digits.prefix(1) + fraction + "e" + (exponent < 0 ? "-" : "+") + magnitude
        }
        if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits }
        let whole = digits.prefix(exponent + 1)
        let padding = String(repeating: "0", count: max(0, exponent + 1 - digits.count))
        let fraction = digits.dropFirst(exponent + 1)
        return sign + whole + padding + "." + (fraction.isEmpty ? "0" : fraction)
    }

    /// The shortest digits and the exponent of the first.
    private static func decimal(_ value: Double) -> (digits: String, exponent: Int) {
        guard value > 0 else { return ("0", 0) }
        let description = value.description
        let parts = description.split(separator: "e")
        var exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        let mantissa = parts[0].split(separator: ".")
        let whole = String(mantissa[0])
        var digits = whole + (mantissa.count > 1 ? mantissa[1] : "")
        exponent += whole.count - 1
        while digits.hasPrefix("0"), digits.count > 1 {
            digits.removeFirst()
            exponent -= 1
        }
        while digits.hasSuffix("0"), digits.count > 1 { digits.removeLast() }
        return (digits, exponent)
    }
}
