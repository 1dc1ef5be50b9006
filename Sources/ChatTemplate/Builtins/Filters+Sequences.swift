/// Filters over sequences that choose nothing: order, join, group, count.
extension Interpreter {
    func sequenceFilter(_ name: String, _ value: Value, _ arguments: Arguments) throws -> Value? {
        switch name {
        case "length", "count": return .int(try length(of: value))
        case "list": return .list(try ListValue(items(of: value)))
        case "first":
            if case .generator(let generator) = value {
                return try generator.next() ?? .undefined(UndefinedValue("No first item, sequence was empty."))
            }
            return try items(of: value).first ?? .undefined(UndefinedValue("No first item, sequence was empty."))
        case "last":
            if case .generator = value { throw TemplateFailure.type("'generator' object is not reversible") }
            return try items(of: value).last ?? .undefined(UndefinedValue("No last item, sequence was empty."))
        case "random":
            // Templates are to render the same each time: the choice is the first.
            return try items(of: value).first ?? .undefined(UndefinedValue("No random item, sequence was empty."))
        case "join": return try join(value, arguments)
        case "reverse":
            if let text = value.text { return .string(Text(text.scalars.reversed(), isMarkup: text.isMarkup)) }
            let name = if case .list = value { "list_reverseiterator" } else { "reversed" }
            let reversed = Array(try items(of: value).reversed())
            if case .generator = value { return .list(try ListValue(reversed)) }
            return .generator(try GeneratorValue(reversed, name: name))
        case "items":
            return try generator(over: value) {
                switch value {
                case .undefined: []
                case .dict(let dict): try ViewValue(.items, of: dict).items.items
                default: throw TemplateFailure.type("Can only get item pairs from a mapping.")
                }
            }
        case "batch": return try batch(value, arguments)
        case "slice": return try sliceFilter(value, arguments)
        case "sum":
            let values = try arguments.values(name, ["attribute", "start"])
            var total = values[1].given ?? .int(0)
            if total.text != nil { throw TemplateFailure.type("sum() can't sum strings [use ''.join(seq) instead]") }
            for item in try items(of: value) {
                total = try binary(.add, total, attributeValue(of: item, values[0]))
            }
            return total
        case "sort", "unique", "min", "max", "dictsort", "groupby": return try orderFilter(name, value, arguments)
        default: return nil
        }
    }

    /// A generator whose items are computed together, when the first one is asked for.
    private func generator(over source: Value, _ items: @escaping () throws -> [Value]) throws -> Value {
        .generator(try GeneratorValue(over: source) { GeneratorValue.pull(from: try items()) })
    }

    private func join(_ value: Value, _ arguments: Arguments) throws -> Value {
        let values = try arguments.values("join", ["d", "attribute"])
        var separator = try values[0].given.map { try text($0) } ?? ""
        var parts = try items(of: value).map { try text(attributeValue(of: $0, values[1])) }
        let isMarkup = escapesOutput && (separator.isMarkup || parts.contains(where: \.isMarkup))
        if isMarkup {
            separator = try escape(separator)
            parts = try parts.map { try escape($0) }
        }
        var result: [Unicode.Scalar] = []
        for (index, part) in parts.enumerated() {
            try budget.allocate(part.count + separator.count)
            if index > 0 { result += separator.scalars }
            result += part.scalars
        }
        return .string(Text(result, isMarkup: isMarkup))
    }

    private func positiveCount(_ value: Value, _ name: String) throws -> Int {
        guard let count = value.integer else {
            throw TemplateFailure.type("\(name) needs an integer, not '\(value.typeName)'")
        }
        return count
    }

    private func batch(_ value: Value, _ arguments: Arguments) throws -> Value {
        let values = try arguments.values("batch", ["linecount", "fill_with"], required: 1)
        return try generator(over: value) { [unowned self] in
            let items = try items(of: value)
            let size = try positiveCount(values[0], "batch")
            var batches: [[Value]] = []
            var current: [Value] = []
            for item in items {
                if current.count == size {
                    batches.append(current)
                    current = []
                }
                current.append(item)
            }
            if !current.isEmpty {
                if let fill = values[1].given, !fill.isNone, current.count < size {
                    try budget.allocate(size)
                    current += Array(repeating: fill, count: size - current.count)
                }
                batches.append(current)
            }
            return try batches.map { .list(try ListValue($0)) }
        }
    }

    private func sliceFilter(_ value: Value, _ arguments: Arguments) throws -> Value {
        let values = try arguments.values("slice", ["slices", "fill_with"], required: 1)
        return try generator(over: value) { [unowned self] in try slices(of: value, values[0], fill: values[1]) }
    }

    private func slices(of value: Value, _ wanted: Value, fill: Value) throws -> [Value] {
        let sequence = try items(of: value)
        let count = try positiveCount(wanted, "slice")
        guard count != 0 else {
            throw TemplateFailure.python(kind: "ZeroDivisionError", message: "integer division or modulo by zero")
        }
        guard count > 0 else { return [] }
        try budget.allocate(count)
        let size = sequence.count / count
        let extra = sequence.count % count
        var slices: [Value] = []
        var start = 0
        for index in 0..<count {
            let end = start + size + (index < extra ? 1 : 0)
            var slice = Array(sequence[start..<end])
            if let fill = fill.given, !fill.isNone, index >= extra { slice.append(fill) }
            slices.append(.list(try ListValue(slice)))
            start = end
        }
        return slices
    }

    // MARK: Attributes of items

    /// What `make_attrgetter` gets: a path with dots, or the item itself where no attribute is named.
    func attributeValue(of item: Value, _ attribute: Value, default fallback: Value? = nil) throws -> Value {
        guard attribute.isGiven, !attribute.isNone else { return item }
        var value = item
        for part in Interpreter.path(attribute) {
            value = try self.item(value, part)
            if value.isUndefined, let fallback { value = fallback }
        }
        return value
    }

    private static func path(_ attribute: Value) -> [Value] {
        guard let text = attribute.text else { return [attribute] }
        return text.string.split(separator: ".", omittingEmptySubsequences: false).map { part in
            part.allSatisfy({ $0.isASCII && $0.isNumber }) && !part.isEmpty
                ? Int(part).map(Value.int) ?? .string(String(part)) : .string(String(part))
        }
    }

    /// `ignore_case`.
    func caseFolded(_ value: Value) -> Value {
        if let text = value.text { return .string(text.cased("lower")) }
        return value
    }
}
