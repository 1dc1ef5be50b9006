/// Jinja's filters, with transformers' `tojson`.
enum Filters {
    static let names: Set<String> = [
        "abs", "attr", "batch", "capitalize", "center", "count", "d", "default", "dictsort", "e", "escape",
        "filesizeformat", "first", "float", "forceescape", "format", "groupby", "indent", "int", "items", "join",
        "last", "length", "list", "lower", "map", "max", "min", "pprint", "random", "reject", "rejectattr", "replace",
        "reverse", "round", "safe", "select", "selectattr", "slice", "sort", "string", "striptags", "sum", "title",
        "tojson", "trim", "truncate", "unique", "upper", "urlencode", "wordcount", "wordwrap", "xmlattr",
    ]
}

extension Interpreter {
    func applyFilter(_ name: String, to value: Value, _ arguments: Arguments) throws -> Value {
        guard Filters.names.contains(name) else { throw TemplateFailure.runtime("No filter named '\(name)' found.") }
        if let result = try textFilter(name, value, arguments) { return result }
        if let result = try layoutFilter(name, value, arguments) { return result }
        if let result = try numberFilter(name, value, arguments) { return result }
        if let result = try sequenceFilter(name, value, arguments) { return result }
        if let result = try selectionFilter(name, value, arguments) { return result }
        throw TemplateFailure.runtime("the filter '\(name)' is not supported")
    }

    /// `soft_str`: markup stays markup.
    private func textFilter(_ name: String, _ value: Value, _ arguments: Arguments) throws -> Value? {
        switch name {
        case "default", "d":
            let values = try arguments.values(name, ["default_value", "boolean"])
            let usesDefault =
                value.isUndefined || values[1].given?.isTrue ?? false && !value.isTrue
            return usesDefault ? values[0].given ?? .string("") : value
        case "string": return .string(try text(value))
        case "safe":
            var result = try text(value)
            result.isMarkup = true
            return .string(result)
        case "escape", "e": return .string(try escape(text(value)))
        case "forceescape": return .string(try escape(Text(text(value).scalars)))
        case "upper", "lower", "capitalize":
            _ = try arguments.values(name, [])
            let text = try text(value)
            try budget.allocate(text.count)
            return .string(text.cased(name))
        case "title":
            let text = try text(value)
            try budget.allocate(text.count)
            return .string(Text(text.titledWords, isMarkup: text.isMarkup))
        case "trim":
            let characters = try arguments.values(name, ["chars"])[0].given ?? .none
            return .string(try text(value).stripped(by: stripSet(characters, "strip"), left: true, right: true))
        case "replace": return try replaceFilter(value, arguments)
        case "wordcount": return .int(try text(value).wordCount)
        case "format":
            let format = try text(value)
            guard arguments.keyword.isEmpty || arguments.positional.isEmpty else {
                throw TemplateFailure.argument("can't handle positional and keyword arguments at the same time")
            }
            let operand: Value =
                arguments.keyword.isEmpty
                ? .tuple(try ListValue(arguments.positional))
                : .dict(try DictValue(arguments.keyword.map { (key: .string($0.name), value: $0.value) }))
            return try formatPercent(format, operand)
        case "tojson": return try jsonFilter(value, arguments)
        case "urlencode": return .string(try urlEncode(value))
        case "striptags": return .string(try text(value).withoutTags)
        default: return nil
        }
    }

    /// The characters that `strip` takes off; nil for white space.
    func stripSet(_ value: Value, _ function: String) throws -> [Unicode.Scalar]? {
        if value.isNone { return nil }
        guard let text = value.text else { throw TemplateFailure.type("\(function) arg must be None or str") }
        return text.scalars
    }

    private func replaceFilter(_ value: Value, _ arguments: Arguments) throws -> Value {
        let values = try arguments.values("replace", ["old", "new", "count"], required: 2)
        var source = try text(value)
        var old = try text(values[0])
        var new = try text(values[1])
        let count = values[2].given.flatMap(\.integer) ?? -1
        if escapesOutput {
            if old.isMarkup || new.isMarkup && !source.isMarkup { source = try escape(source) }
            if source.isMarkup {
                old = old.isMarkup ? old : try escape(old)
                new = new.isMarkup ? new : try escape(new)
            }
        } else {
            source.isMarkup = false
        }
        return .string(try replacing(old, by: new, in: source, count: count))
    }

    /// `str.replace`; a negative count is no limit.
    func replacing(_ old: Text, by new: Text, in text: Text, count: Int) throws -> Text {
        var result: [Unicode.Scalar] = []
        var place = 0
        var remaining = count < 0 ? Int.max : count
        if old.isEmpty {
            // Between all characters, and at both ends.
            for scalar in text.scalars {
                if remaining > 0 {
                    try budget.allocate(new.count)
                    result += new.scalars
                    remaining -= 1
                }
                result.append(scalar)
            }
            if remaining > 0 { result += new.scalars }
        } else {
            while remaining > 0, let found = try find(old.scalars, in: text.scalars, from: place) {
                try budget.allocate(new.count + found - place)
                result += text.scalars[place..<found]
                result += new.scalars
                place = found + old.count
                remaining -= 1
            }
            result += text.scalars[place...]
        }
        try budget.allocate(text.count)
        return Text(result, isMarkup: text.isMarkup)
    }

    private func urlEncode(_ value: Value) throws -> Text {
        func quote(_ value: Value, isQuery: Bool) throws -> String {
            var result = ""
            for byte in try text(value).string.utf8 {
                let scalar = Unicode.Scalar(byte)
                if scalar.isASCIILetter || scalar.isASCIIDigit || "_.-~".unicodeScalars.contains(scalar)
                    || (scalar == "/" && !isQuery)
                {
                    result.unicodeScalars.append(scalar)
                } else if scalar == " ", isQuery {
                    result += "+"
                } else {
                    result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
                }
            }
            try budget.allocate(result.utf8.count)
            return result
        }
        switch value {
        case .dict(let dict):
            return Text(
                try zip(dict.keys, dict.values).map {
                    try quote($0, isQuery: true) + "=" + quote($1, isQuery: true)
                }.joined(separator: "&"))
        case .list, .tuple, .view, .generator:
            return Text(
                try items(of: value).map { pair in
                    let parts = try items(of: pair)
                    guard parts.count == 2 else { throw TemplateFailure.value("urlencode needs pairs") }
                    return try quote(parts[0], isQuery: true) + "=" + quote(parts[1], isQuery: true)
                }.joined(separator: "&"))
        default: return Text(try quote(value, isQuery: false))
        }
    }
}
