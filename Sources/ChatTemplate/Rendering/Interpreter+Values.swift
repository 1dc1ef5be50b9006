extension Interpreter {
    // MARK: Text

    /// `str(value)`.
    func text(_ value: Value) throws -> Text {
        if case .string(let text) = value { return text }
        var output: [Unicode.Scalar] = []
        try append(value, to: &output)
        return Text(output)
    }

    /// `repr(value)`.
    func representation(_ value: Value) throws -> Text {
        var output: [Unicode.Scalar] = []
        try appendRepresentation(value, to: &output)
        return Text(output)
    }

    /// Appends `str(value)`.
    func append(_ value: Value, to output: inout [Unicode.Scalar]) throws {
        switch value {
        case .string(let text):
            try budget.allocate(text.count)
            output += text.scalars
        case .undefined: break
        default: try appendRepresentation(value, to: &output)
        }
    }

    func appendRepresentation(_ value: Value, to output: inout [Unicode.Scalar]) throws {
        let start = output.count
        try appendParts(value, to: &output)
        try budget.allocate(output.count - start)
    }

    private func appendParts(_ value: Value, to output: inout [Unicode.Scalar]) throws {
        try budget.spend()
        func put(_ text: String) { output += text.unicodeScalars }
        switch value {
        case .undefined: put("Undefined")
        case .none: put("None")
        case .bool(let bool): put(bool ? "True" : "False")
        case .int(let int): put(String(int))
        case .largeInteger(let digits): output += digits.scalars
        case .float(let double): put(NumberText.float(double))
        case .string(let text): output += text.representationScalars
        case .list(let list): try appendItems(list.items, "[", "]", to: &output)
        case .tuple(let list):
            try appendItems(list.items, "(", list.items.count == 1 ? ",)" : ")", to: &output)
        case .dict(let dict): try appendMembers(zip(dict.keys, dict.values), to: &output)
        case .view(let view):
            put("dict_\(view.kind)(")
            try appendItems(view.items.items, "[", "]", to: &output)
            put(")")
        case .range(let range):
            put("range(\(range.start), \(range.stop)\(range.step == 1 ? "" : ", \(range.step)"))")
        case .generator(let generator): put("<\(generator.name) object>")
        case .namespace(let namespace):
            put("<Namespace ")
            try budget.enter()
            defer { budget.leave() }
            let members = namespace.order.map { (Value.string($0), namespace.members[$0] ?? .none) }
            try appendMembers(members, to: &output)
            put(">")
        case .loop(let loop): put("<LoopContext \(loop.index0 + 1)/\(loop.items.items.count)>")
        case .callable(let callable):
            put(callable.parameters == nil ? "<function \(callable.name)>" : "<Macro '\(callable.name)'>")
        }
    }

    private func appendItems(
        _ items: [Value], _ open: String, _ close: String, to output: inout [Unicode.Scalar]
    ) throws {
        try budget.enter()
        defer { budget.leave() }
        output += open.unicodeScalars
        for (index, item) in items.enumerated() {
            if index > 0 { output += [",", " "] }
            try appendRepresentation(item, to: &output)
        }
        output += close.unicodeScalars
    }

    private func appendMembers(
        _ members: some Sequence<(Value, Value)>, to output: inout [Unicode.Scalar]
    ) throws {
        try budget.enter()
        defer { budget.leave() }
        output.append("{")
        var isFirst = true
        for (key, value) in members {
            if !isFirst { output += [",", " "] }
            isFirst = false
            try appendRepresentation(key, to: &output)
            output += [":", " "]
            try appendRepresentation(value, to: &output)
        }
        output.append("}")
    }

    // MARK: Sequences

    /// What iterating over a value gives.
    func items(of value: Value) throws -> [Value] {
        let items: [Value]
        switch value {
        case .list(let list), .tuple(let list): items = list.items
        case .dict(let dict): items = dict.keys
        case .view(let view): items = view.items.items
        case .range(let range): items = range.items
        case .generator(let generator): items = try generator.rest()
        case .string(let text):
            try budget.allocate(text.count)
            items = text.scalars.map { .string(Text([$0])) }
        case .undefined: items = []
        default: throw TemplateFailure.type("'\(value.typeName)' object is not iterable")
        }
        try budget.spend(items.count)
        return items
    }

    /// The same one by one; of a generator no more than is asked for.
    func pull(from value: Value) throws -> GeneratorValue.Pull {
        guard case .generator(let generator) = value else { return GeneratorValue.pull(from: try items(of: value)) }
        return { [unowned self] in
            try budget.spend()
            return try generator.next()
        }
    }

    func length(of value: Value) throws -> Int {
        switch value {
        case .list(let list), .tuple(let list): return list.items.count
        case .dict(let dict): return dict.keys.count
        case .view(let view): return view.items.items.count
        case .range(let range): return range.count
        case .string(let text): return text.count
        case .loop(let loop): return loop.items.items.count
        case .undefined: return 0
        default: throw TemplateFailure.type("object of type '\(value.typeName)' has no len()")
        }
    }

    // MARK: Comparison

    func isEqual(_ left: Value, _ right: Value) throws -> Bool {
        try budget.spend()
        switch (left, right) {
        case (.none, .none), (.undefined, .undefined): return true
        case (.string(let left), .string(let right)):
            try budget.spend(min(left.count, right.count) >> 4)
            return left == right
        case (.largeInteger(let left), .largeInteger(let right)): return left == right
        case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
            return try left === right || areEqual(left.items, right.items)
        case (.dict(let left), .dict(let right)): return try left === right || areEqual(left, right)
        case (.view(let left), .view(let right)):
            return try left.kind == right.kind && left.kind != .values && areEqual(left.items.items, right.items.items)
        case (.range(let left), .range(let right)):
            guard left.count == right.count else { return false }
            if left.count == 0 { return true }
            return left.start == right.start && (left.count == 1 || left.step == right.step)
        case (.namespace(let left), .namespace(let right)): return left === right
        case (.generator(let left), .generator(let right)): return left === right
        case (.loop(let left), .loop(let right)): return left === right
        case (.callable(let left), .callable(let right)): return left === right
        default:
            if let left = left.integer, let right = right.integer { return left == right }
            guard let left = left.number, let right = right.number else { return false }
            return left == right
        }
    }

    private func areEqual(_ left: [Value], _ right: [Value]) throws -> Bool {
        guard left.count == right.count else { return false }
        for (left, right) in zip(left, right) where try !isEqual(left, right) { return false }
        return true
    }

    private func areEqual(_ left: DictValue, _ right: DictValue) throws -> Bool {
        guard left.keys.count == right.keys.count else { return false }
        for (key, value) in zip(left.keys, left.values) {
            guard let other = right[try HashKey(key)], try isEqual(value, other) else { return false }
        }
        return true
    }

    /// `left < right`; `symbol` is the operator that an error names.
    func isLess(_ left: Value, _ right: Value, symbol: String = "<") throws -> Bool {
        try budget.spend()
        switch (left, right) {
        case (.undefined(let undefined), _), (_, .undefined(let undefined)): throw undefined.failure
        case (.string(let left), .string(let right)):
            try budget.spend(min(left.count, right.count) >> 4)
            return left < right
        case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
            for (left, right) in zip(left.items, right.items) where try !isEqual(left, right) {
                return try isLess(left, right, symbol: symbol)
            }
            return left.items.count < right.items.count
        default:
            if let left = left.integer, let right = right.integer { return left < right }
            if let left = left.number, let right = right.number { return left < right }
            throw TemplateFailure.type(
                "'\(symbol)' not supported between instances of '\(left.typeName)' and '\(right.typeName)'")
        }
    }

    func compare(_ left: Value, _ comparison: ComparisonOperator, _ right: Value) throws -> Bool {
        switch comparison {
        case .equal: return try isEqual(left, right)
        case .notEqual: return try !isEqual(left, right)
        case .in: return try contains(right, left)
        case .notIn: return try !contains(right, left)
        case .less: return try isLess(left, right)
        case .greater: return try isLess(right, left, symbol: ">")
        case .lessOrEqual, .greaterOrEqual:
            let isLessOrEqual = comparison == .lessOrEqual
            let (low, high) = isLessOrEqual ? (left, right) : (right, left)
            if let low = low.number, let high = high.number, low.isNaN || high.isNaN { return false }
            return try !isLess(high, low, symbol: comparison.rawValue)
        }
    }

    /// `item in container`.
    func contains(_ container: Value, _ item: Value) throws -> Bool {
        switch container {
        case .string(let text):
            guard let part = item.text else {
                throw TemplateFailure.type("'in <string>' requires string as left operand, not \(item.typeName)")
            }
            return try find(part.scalars, in: text.scalars) != nil
        case .dict(let dict): return dict[try HashKey(item)] != nil
        case .namespace, .none, .bool, .int, .float, .largeInteger, .callable, .loop:
            throw TemplateFailure.type("argument of type '\(container.typeName)' is not iterable")
        default:
            let next = try pull(from: container)
            while let candidate = try next() {
                if try isEqual(candidate, item) { return true }
            }
            return false
        }
    }

    // MARK: Searching

    /// The place of the first `part` from `start` on. Counts its steps, since this may take their product.
    func find(_ part: [Unicode.Scalar], in text: [Unicode.Scalar], from start: Int = 0, to end: Int? = nil) throws
        -> Int?
    {
        let end = end ?? text.count
        guard !part.isEmpty else { return start <= end ? start : nil }
        var place = start
        var work = 0
        while place + part.count <= end {
            var matched = 0
            while matched < part.count, text[place + matched] == part[matched] { matched += 1 }
            if matched == part.count { return place }
            work += matched + 1
            if work > 4096 {
                try budget.spend(work >> 4)
                work = 0
            }
            place += 1
        }
        try budget.spend(work >> 4)
        return nil
    }

    func findLast(_ part: [Unicode.Scalar], in text: [Unicode.Scalar], from start: Int = 0, to end: Int? = nil) throws
        -> Int?
    {
        let end = end ?? text.count
        guard start <= end else { return nil }
        var place = end - part.count
        var work = 0
        while place >= start {
            var matched = 0
            while matched < part.count, text[place + matched] == part[matched] { matched += 1 }
            if matched == part.count { return place }
            work += matched + 1
            if work > 4096 {
                try budget.spend(work >> 4)
                work = 0
            }
            place -= 1
        }
        return nil
    }
}
