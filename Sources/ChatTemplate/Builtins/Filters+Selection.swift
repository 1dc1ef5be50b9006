/// `map`, `select` and their kin, and `attr`.
extension Interpreter {
    func selectionFilter(_ name: String, _ value: Value, _ arguments: Arguments) throws -> Value? {
        switch name {
        case "map": return .generator(try GeneratorValue(map(value, arguments)))
        case "select", "reject", "selectattr", "rejectattr":
            return .generator(try GeneratorValue(select(name, value, arguments)))
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

    private func map(_ value: Value, _ arguments: Arguments) throws -> [Value] {
        guard value.isTrue else { return [] }
        if arguments.positional.isEmpty, let attribute = arguments.keyword.first(where: { $0.name == "attribute" }) {
            let fallback = arguments.keyword.first { $0.name == "default" }?.value
            if let extra = arguments.keyword.first(where: { $0.name != "attribute" && $0.name != "default" }) {
                throw TemplateFailure.argument("Unexpected keyword argument '\(extra.name)'")
            }
            return try items(of: value).map { item in
                try attributeValue(
                    of: item, attribute.value, default: fallback.flatMap { $0.isNone ? nil : $0 })
            }
        }
        guard let first = arguments.positional.first else {
            throw TemplateFailure.argument("map requires a filter argument")
        }
        let name = try text(first).string
        let rest = Arguments(positional: Array(arguments.positional.dropFirst()), keyword: arguments.keyword)
        return try items(of: value).map { item in
            try budget.enter()
            defer { budget.leave() }
            return try applyFilter(name, to: item, rest)
        }
    }

    private func select(_ name: String, _ value: Value, _ arguments: Arguments) throws -> [Value] {
        guard value.isTrue else { return [] }
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
        return try items(of: value).filter { item in
            try budget.enter()
            defer { budget.leave() }
            let subject = looksAtAttribute ? try attributeValue(of: item, attribute) : item
            let passes = try test.map { try applyTest($0, to: subject, rest) } ?? subject.isTrue
            return passes == keeps
        }
    }
}
