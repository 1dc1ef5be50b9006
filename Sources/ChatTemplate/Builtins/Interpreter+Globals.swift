extension Interpreter {
    func makeGlobals() -> [String: Value] {
        var globals: [String: Value] = [:]
        func define(_ name: String, _ body: @escaping (Interpreter, Arguments) throws -> Value) {
            globals[name] = .callable(CallableValue(name) { [unowned self] in try body(self, $0) })
        }
        define("range") { interpreter, arguments in try interpreter.makeRange(arguments) }
        define("dict") { interpreter, arguments in .dict(try DictValue(interpreter.members(arguments))) }
        define("namespace") { interpreter, arguments in try interpreter.makeNamespace(arguments) }
        define("raise_exception") { interpreter, arguments in
            let message = try arguments.values("raise_exception", ["message"], required: 1)[0]
            throw TemplateFailure.raised(try interpreter.text(message).string)
        }
        define("strftime_now") { interpreter, arguments in
            guard let format = try arguments.values("strftime_now", ["format"], required: 1)[0].text else {
                throw TemplateFailure.type("strftime() argument 1 must be str")
            }
            try interpreter.budget.allocate(format.count * 16)
            return .string(interpreter.date.formatted(format.string))
        }
        define("cycler") { interpreter, arguments in try interpreter.makeCycler(arguments) }
        define("joiner") { interpreter, arguments in try interpreter.makeJoiner(arguments) }
        return globals
    }

    private func makeRange(_ arguments: Arguments) throws -> Value {
        guard arguments.keyword.isEmpty else { throw TemplateFailure.type("range() takes no keyword arguments") }
        let numbers = try arguments.positional.map { value in
            if case .undefined(let undefined) = value { throw undefined.failure }
            guard let number = value.integer else {
                throw TemplateFailure.type("'\(value.typeName)' object cannot be interpreted as an integer")
            }
            return number
        }
        switch numbers.count {
        case 1: return .range(try RangeValue(start: 0, stop: numbers[0], step: 1))
        case 2: return .range(try RangeValue(start: numbers[0], stop: numbers[1], step: 1))
        case 3: return .range(try RangeValue(start: numbers[0], stop: numbers[1], step: numbers[2]))
        default: throw TemplateFailure.type("range expected 1 to 3 arguments, got \(numbers.count)")
        }
    }

    /// The members of `dict(...)` and `namespace(...)`: a mapping or pairs, then keywords.
    private func members(_ arguments: Arguments) throws -> [(key: Value, value: Value)] {
        guard arguments.positional.count <= 1 else {
            throw TemplateFailure.type("dict expected at most 1 argument, got \(arguments.positional.count)")
        }
        var members: [(key: Value, value: Value)] = []
        if let first = arguments.positional.first {
            if case .dict(let dict) = first {
                members = zip(dict.keys, dict.values).map { ($0, $1) }
            } else {
                for pair in try items(of: first) {
                    let parts = try items(of: pair)
                    guard parts.count == 2 else {
                        throw TemplateFailure.value(
                            "dictionary update sequence element has length \(parts.count); 2 is required")
                    }
                    members.append((parts[0], parts[1]))
                }
            }
        }
        return members + arguments.keyword.map { (.string($0.name), $0.value) }
    }

    private func makeNamespace(_ arguments: Arguments) throws -> Value {
        let members = try members(arguments).map { key, value in
            let name = try text(key).string
            try checkNamespaceName(name)
            return (name, value)
        }
        try budget.allocate(64)
        return track(NamespaceValue(members))
    }

    private func makeCycler(_ arguments: Arguments) throws -> Value {
        let items = arguments.positional
        guard !items.isEmpty else { throw TemplateFailure.runtime("at least one item has to be provided") }
        let depth = try Value.depth(containing: items)
        var position = 0
        let next = CallableValue("next", depth: depth) { _ in
            defer { position = (position + 1) % items.count }
            return items[position]
        }
        let reset = CallableValue("reset") { _ in
            position = 0
            return .none
        }
        let cycler = CallableValue("Cycler", depth: depth + 1) { _ in
            throw TemplateFailure.type("'Cycler' object is not callable")
        }
        cycler.member = { name in
            switch name {
            case "next": .callable(next)
            case "reset": .callable(reset)
            case "current": items[position]
            default: nil
            }
        }
        return .callable(cycler)
    }

    private func makeJoiner(_ arguments: Arguments) throws -> Value {
        let separator = try arguments.values("joiner", ["sep"])[0].given ?? .string(", ")
        var isUsed = false
        return .callable(
            CallableValue("Joiner", depth: separator.depth + 1) { _ in
                defer { isUsed = true }
                return isUsed ? separator : .string("")
            })
    }
}
