/// `map`, `select` and their kin, and `attr`.
extension Interpreter {
    func selectionFilter(_ name: String, _ value: Value, _ arguments: Arguments) throws -> Value? {
        switch name {
        case "map": return .generator(try map(value, arguments))
        case "select", "reject", "selectattr", "rejectattr":
            return .generator(try select(name, value, arguments))
        case "attr":
            let name = try arguments.values(name, ["name"], required: 1)[0]
            if case .undefined(let undefined) = value { throw undefined.failure }
            guard let text = name.text else { throw TemplateFailure.type("attribute name must be string") }
            return try attributeOnly(value, text.string)
                ?? .undefined(
                    UndefinedValue("'\(value.objectName)' has no attribute \(text.representation)"))
        default: return nil
        }
    }

    private func map(_ value: Value, _ arguments: Arguments) throws -> GeneratorValue {
        try GeneratorValue(over: value) { [unowned self] in
            guard value.isTrue else { return { nil } }
            let transform = try mapping(arguments)
            let next = try pull(from: value)
            return { try next().map(transform) }
        }
    }

    /// What `map` makes of an item.
    private func mapping(_ arguments: Arguments) throws -> (Value) throws -> Value {
        if arguments.positional.isEmpty, let attribute = arguments.keyword.first(where: { $0.name == "attribute" }) {
            let fallback = arguments.keyword.first { $0.name == "default" }?.value
            if let extra = arguments.keyword.first(where: { $0.name != "attribute" && $0.name != "default" }) {
                throw TemplateFailure.argument("Unexpected keyword argument '\(extra.name)'")
            }
            return { [unowned self] item in
                try attributeValue(
                    of: item, attribute.value, default: fallback.flatMap { $0.isNone ? nil : $0 })
            }
        }
        guard let first = arguments.positional.first else {
            throw TemplateFailure.argument("map requires a filter argument")
        }
        let name = try text(first).string
        let rest = Arguments(positional: Array(arguments.positional.dropFirst()), keyword: arguments.keyword)
        return { [unowned self] item in
            try budget.enter()
            defer { budget.leave() }
            return try applyFilter(name, to: item, rest)
        }
    }

    private func select(_ name: String, _ value: Value, _ arguments: Arguments) throws -> GeneratorValue {
        try GeneratorValue(over: value) { [unowned self] in
            guard value.isTrue else { return { nil } }
            let keeps = try selection(name, arguments)
            let next = try pull(from: value)
            return {
                while let item = try next() {
                    if try keeps(item) { return item }
                }
                return nil
            }
        }
    }

    /// Which items `select` and its kin keep.
    private func selection(_ name: String, _ arguments: Arguments) throws -> (Value) throws -> Bool {
        let looksAtAttribute = name.hasSuffix("attr")
        let keeps = name.hasPrefix("select")
        var rest = arguments
        var attribute = Value.none
        if looksAtAttribute {
            guard let first = rest.positional.first else {
                throw TemplateFailure.argument("Missing parameter for attribute name")
            }
            attribute = first
            rest.positional.removeFirst()
        }
        let test = try rest.positional.first.map { try text($0).string }
        if test != nil { rest.positional.removeFirst() }
        return { [unowned self, rest, attribute] item in
            try budget.enter()
            defer { budget.leave() }
            let subject = looksAtAttribute ? try attributeValue(of: item, attribute) : item
            let passes = try test.map { try applyTest($0, to: subject, rest) } ?? subject.isTrue
            return passes == keeps
        }
    }
}
