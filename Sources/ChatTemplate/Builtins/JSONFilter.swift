/// `tojson` as transformers defines it: `json.dumps(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False)`.
extension Interpreter {
    private struct JSONStyle {
        var escapesNonASCII = false
        var indentation: [Unicode.Scalar]?
        var itemSeparator: [Unicode.Scalar]
        var keySeparator: [Unicode.Scalar]
        var sortsKeys = false
    }

    func jsonFilter(_ value: Value, _ arguments: Arguments) throws -> Value {
        let values = try arguments.values("tojson", ["ensure_ascii", "indent", "separators", "sort_keys"])
        var style = JSONStyle(itemSeparator: [",", " "], keySeparator: [":", " "])
        style.escapesNonASCII = values[0].given?.isTrue ?? false
        style.sortsKeys = values[3].given?.isTrue ?? false
        if let indent = values[1].given, !indent.isNone {
            if let text = indent.text {
                style.indentation = text.scalars
            } else if let count = indent.integer {
                try budget.allocate(max(count, 0))
                style.indentation = Array(repeating: " ", count: max(count, 0))
            } else {
                throw TemplateFailure.type("can't multiply sequence by non-int of type '\(indent.typeName)'")
            }
            style.itemSeparator = [","]
        }
        if let separators = values[2].given, !separators.isNone {
            let parts = try items(of: separators)
            guard parts.count == 2, let item = parts[0].text, let key = parts[1].text else {
                throw TemplateFailure.value("separators must be two strings")
            }
            (style.itemSeparator, style.keySeparator) = (item.scalars, key.scalars)
        }
        var output: [Unicode.Scalar] = []
        try appendJSON(value, style, level: 0, to: &output)
        return .string(Text(output))
    }

    private func appendJSON(_ value: Value, _ style: JSONStyle, level: Int, to output: inout [Unicode.Scalar]) throws {
        try budget.spend()
        let start = output.count
        switch value {
        case .none: output += "null".unicodeScalars
        case .bool(let bool): output += (bool ? "true" : "false").unicodeScalars
        case .int(let int): output += String(int).unicodeScalars
        case .largeInteger(let digits): output += digits.scalars
        case .float(let double): output += Interpreter.jsonNumber(double).unicodeScalars
        case .string(let text): Interpreter.appendJSONString(text, style.escapesNonASCII, to: &output)
        case .list(let list), .tuple(let list):
            return try appendJSONItems(list.items.map { (nil, $0) }, "[", "]", style, level, to: &output)
        case .dict(let dict): return try appendJSONObject(dict, style, level, to: &output)
        default:
            throw TemplateFailure.type("Object of type \(value.typeName) is not JSON serializable")
        }
        try budget.allocate(output.count - start)
    }

    private func appendJSONObject(
        _ dict: DictValue, _ style: JSONStyle, _ level: Int, to output: inout [Unicode.Scalar]
    ) throws {
        var keys = dict.keys
        if style.sortsKeys {
            try budget.spend(keys.count * 8)
            var failure: (any Error)?
            keys.sort { left, right in
                do { return try isLess(left, right) } catch {
                    failure = failure ?? error
                    return false
                }
            }
            if let failure { throw failure }
        }
        let members: [(Text?, Value)] = try keys.map { key in
            (try jsonKey(key), dict[try HashKey(key)] ?? .none)
        }
        try appendJSONItems(members, "{", "}", style, level, to: &output)
    }

    private func jsonKey(_ key: Value) throws -> Text {
        switch key {
        case .string(let text): return text
        case .bool(let bool): return bool ? "true" : "false"
        case .none: return "null"
        case .int, .largeInteger: return try text(key)
        case .float(let double): return Text(Interpreter.jsonNumber(double))
        default:
            throw TemplateFailure.type("keys must be str, int, float, bool or None, not \(key.typeName)")
        }
    }

    private func appendJSONItems(
        _ items: [(key: Text?, value: Value)], _ open: Unicode.Scalar, _ close: Unicode.Scalar, _ style: JSONStyle,
        _ level: Int, to output: inout [Unicode.Scalar]
    ) throws {
        output.append(open)
        defer { output.append(close) }
        guard !items.isEmpty else { return }
        try budget.enter()
        defer { budget.leave() }
        func breakLine(_ level: Int) throws {
            guard let indentation = style.indentation else { return }
            try budget.allocate(1 + indentation.count * level)
            output.append("\n")
            for _ in 0..<level { output += indentation }
        }
        for (index, item) in items.enumerated() {
            if index > 0 { output += style.itemSeparator }
            try breakLine(level + 1)
            if let key = item.key {
                Interpreter.appendJSONString(key, style.escapesNonASCII, to: &output)
                try budget.allocate(key.count)
                output += style.keySeparator
            }
            try appendJSON(item.value, style, level: level + 1, to: &output)
        }
        try breakLine(level)
    }

    private static func jsonNumber(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
        return NumberText.float(value)
    }

    private static func appendJSONString(_ text: Text, _ escapesNonASCII: Bool, to output: inout [Unicode.Scalar]) {
        output.append("\"")
        for scalar in text.scalars {
            switch scalar {
            case "\"": output += ["\\", "\""]
            case "\\": output += ["\\", "\\"]
            case "\n": output += ["\\", "n"]
            case "\r": output += ["\\", "r"]
            case "\t": output += ["\\", "t"]
            case "\u{08}": output += ["\\", "b"]
            case "\u{0C}": output += ["\\", "f"]
            default:
                if scalar.value < 0x20 || escapesNonASCII && scalar.value > 0x7E {
                    for unit in String(scalar).utf16 {
                        let digits = String(unit, radix: 16)
                        output += ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).unicodeScalars
                    }
                } else {
                    output.append(scalar)
                }
            }
        }
        output.append("\"")
    }
}
