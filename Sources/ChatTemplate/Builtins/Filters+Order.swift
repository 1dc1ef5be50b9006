/// Filters that compare items.
extension Interpreter {
    func orderFilter(_ name: String, _ value: Value, _ arguments: Arguments) throws -> Value {
        switch name {
        case "sort":
            let values = try arguments.values(name, ["reverse", "case_sensitive", "attribute"])
            let isSensitive = values[1].given?.isTrue ?? false
            let keyed = try items(of: value).map { item in
                (key: try sortKeys(of: item, values[2], isSensitive), value: item)
            }
            let sorted = try stableSorted(keyed, reverse: values[0].given?.isTrue ?? false)
            return .list(try ListValue(sorted.map(\.value)))
        case "dictsort": return try dictSort(value, arguments)
        case "unique":
            let values = try arguments.values(name, ["case_sensitive", "attribute"])
            let isSensitive = values[0].given?.isTrue ?? false
            return .generator(
                try GeneratorValue(over: value) { [unowned self] in
                    var seen: Set<HashKey> = []
                    let next = try pull(from: value)
                    return { [unowned self] in
                        while let item = try next() {
                            let key = try attributeValue(of: item, values[1])
                            if seen.insert(try HashKey(isSensitive ? key : caseFolded(key))).inserted { return item }
                        }
                        return nil
                    }
                })
        case "min", "max": return try extreme(value, arguments, isMaximum: name == "max")
        default: return try groupBy(value, arguments)
        }
    }

    /// Jinja makes a list of the keys, of a single one too. Lists are compared by their first unequal items, so that
    /// items without the attribute, or with null there, keep their order where no item has anything else.
    private func sortKeys(of item: Value, _ attribute: Value, _ isSensitive: Bool) throws -> Value {
        let attributes: [Value] =
            attribute.given?.text?.string.contains(",") ?? false
            ? (attribute.text?.string ?? "").split(separator: ",").map { .string(String($0)) } : [attribute]
        let keys = try attributes.map { attribute in
            let key = try attributeValue(of: item, attribute)
            return isSensitive ? key : caseFolded(key)
        }
        return .list(try ListValue(keys))
    }

    /// Python's sort: equal items keep their order, in reverse too.
    private func stableSorted(
        _ keyed: [(key: Value, value: Value)], reverse: Bool
    ) throws -> [(key: Value, value: Value)] {
        if keyed.count > 1 { _ = try isLess(keyed[1].key, keyed[0].key) }
        return try mergeSorted(keyed) { left, right in
            reverse ? try self.isLess(left.key, right.key) : try self.isLess(right.key, left.key)
        }
    }

    /// - Parameter isAfter: whether the right one of two must come first.
    private func mergeSorted<Element>(
        _ elements: [Element], _ isAfter: (Element, Element) throws -> Bool
    ) throws -> [Element] {
        guard elements.count > 1 else { return elements }
        let middle = elements.count / 2
        let left = try mergeSorted(Array(elements[..<middle]), isAfter)
        let right = try mergeSorted(Array(elements[middle...]), isAfter)
        var merged: [Element] = []
        merged.reserveCapacity(elements.count)
        var (i, j) = (0, 0)
        while i < left.count, j < right.count {
            if try isAfter(left[i], right[j]) {
                merged.append(right[j])
                j += 1
            } else {
                merged.append(left[i])
                i += 1
            }
        }
        return merged + left[i...] + right[j...]
    }

    private func dictSort(_ value: Value, _ arguments: Arguments) throws -> Value {
        let values = try arguments.values("dictsort", ["case_sensitive", "by", "reverse"])
        if case .undefined(let undefined) = value { throw undefined.failure }
        guard case .dict(let dict) = value else {
            throw TemplateFailure.python(
                kind: "AttributeError", message: "'\(value.typeName)' object has no attribute 'items'")
        }
        let by = try values[1].given.map { try text($0).string } ?? "key"
        guard by == "key" || by == "value" else {
            throw TemplateFailure.argument("You can only sort by either \"key\" or \"value\"")
        }
        let isSensitive = values[0].given?.isTrue ?? false
        let keyed = try zip(dict.keys, dict.values).map { key, value in
            let sortKey = by == "key" ? key : value
            return (
                key: isSensitive ? sortKey : caseFolded(sortKey), value: Value.tuple(try ListValue([key, value]))
            )
        }
        let sorted = try stableSorted(keyed, reverse: values[2].given?.isTrue ?? false)
        return .list(try ListValue(sorted.map(\.value)))
    }

    private func extreme(_ value: Value, _ arguments: Arguments, isMaximum: Bool) throws -> Value {
        let values = try arguments.values(isMaximum ? "max" : "min", ["case_sensitive", "attribute"])
        let isSensitive = values[0].given?.isTrue ?? false
        let items = try items(of: value)
        guard var best = items.first else {
            return .undefined(UndefinedValue("No aggregated item, sequence was empty."))
        }
        func key(_ item: Value) throws -> Value {
            let key = try attributeValue(of: item, values[1])
            return isSensitive ? key : caseFolded(key)
        }
        var bestKey = try key(best)
        for item in items.dropFirst() {
            let itemKey = try key(item)
            let isBetter =
                isMaximum ? try isLess(bestKey, itemKey, symbol: ">") : try isLess(itemKey, bestKey)
            if isBetter { (best, bestKey) = (item, itemKey) }
        }
        return best
    }

    private func groupBy(_ value: Value, _ arguments: Arguments) throws -> Value {
        let values = try arguments.values("groupby", ["attribute", "default", "case_sensitive"], required: 1)
        let fallback = values[1].given.flatMap { $0.isNone ? nil : $0 }
        let isSensitive = values[2].given?.isTrue ?? false
        let keyed = try items(of: value).map { item in
            let key = try attributeValue(of: item, values[0], default: fallback)
            return (key: isSensitive ? key : caseFolded(key), value: item)
        }
        var groups: [(key: Value, items: [Value])] = []
        for (key, item) in try stableSorted(keyed, reverse: false) {
            if let last = groups.last, try isEqual(last.key, key) {
                groups[groups.count - 1].items.append(item)
            } else {
                groups.append((key, [item]))
            }
        }
        return .list(
            try ListValue(
                groups.map { group in
                    let shown =
                        isSensitive ? group.key : try attributeValue(of: group.items[0], values[0], default: fallback)
                    return .tuple(try ListValue([shown, .list(ListValue(group.items))], isGroup: true))
                }))
    }
}
