extension Interpreter {
    func resolve(_ name: String) throws -> Value {
        scope.lookUp(name) ?? .undefined(UndefinedValue("'\(name)' is undefined"))
    }

    /// - Parameter input: what a filter without a written input works on.
    func evaluate(_ expression: Expression, input: Value? = nil) throws -> Value {
        try budget.spend()
        switch expression.kind {
        case .none: return .none
        case .bool(let bool): return .bool(bool)
        case .int(let int): return .int(int)
        case .largeInteger(let digits): return .largeInteger(digits)
        case .float(let double): return .float(double)
        case .string(let text): return .string(text)
        case .name(let name): return try resolve(name)
        default: break
        }
        try budget.enter()
        defer { budget.leave() }
        return try evaluateCompound(expression, input: input)
    }

    private func evaluateCompound(_ expression: Expression, input: Value?) throws -> Value {
        switch expression.kind {
        case .list(let items): return .list(try ListValue(items.map { try evaluate($0) }))
        case .tuple(let items): return .tuple(try ListValue(items.map { try evaluate($0) }))
        case .dict(let members):
            return .dict(
                try DictValue(members.map { (key: try evaluate($0.key), value: try evaluate($0.value)) }))
        case .attribute(let object, let name): return try attribute(evaluate(object), name)
        case .item(let object, let index): return try evaluateItem(object, index)
        case .slice(let start, let stop, let step):
            // A slice within a tuple of indices: no value of ours takes one.
            for part in [start, stop, step] { if let part { _ = try evaluate(part) } }
            return .undefined(UndefinedValue("slices cannot be combined"))
        case .call(let function, let arguments):
            let callee = try evaluate(function)
            let line = expression.line
            let result = try call(callee, evaluate(arguments))
            self.line = line
            return result
        case .filter(let inner, let name, let arguments):
            let value: Value
            if let inner { value = try evaluate(inner, input: input) } else { value = input ?? .none }
            return try applyFilter(name, to: value, evaluate(arguments))
        case .test(let value, let name, let arguments):
            return .bool(try applyTest(name, to: evaluate(value), evaluate(arguments)))
        case .negate(let operand): return try negate(evaluate(operand), isPlus: false)
        case .plus(let operand): return try negate(evaluate(operand), isPlus: true)
        case .binary(let operation, let left, let right):
            return try binary(operation, evaluate(left), evaluate(right))
        case .concatenate(let parts): return try concatenate(parts)
        default: return try evaluateLogic(expression)
        }
    }

    private func evaluateLogic(_ expression: Expression) throws -> Value {
        switch expression.kind {
        case .not(let operand): return .bool(try !evaluate(operand).isTrue)
        case .and(let left, let right):
            let value = try evaluate(left)
            return try value.isTrue ? evaluate(right) : value
        case .or(let left, let right):
            let value = try evaluate(left)
            return try value.isTrue ? value : evaluate(right)
        case .conditional(let test, let then, let otherwise):
            if try evaluate(test).isTrue { return try evaluate(then) }
            guard let otherwise else {
                return .undefined(
                    UndefinedValue(
                        "the inline if-expression on line \(expression.line) evaluated to false and no else section"
                            + " was defined."))
            }
            return try evaluate(otherwise)
        case .compare(let first, let operands):
            var left = try evaluate(first)
            for (comparison, operand) in operands {
                let right = try evaluate(operand)
                guard try compare(left, comparison, right) else { return .bool(false) }
                left = right
            }
            return .bool(true)
        default: return .none
        }
    }

    private func evaluateItem(_ object: Expression, _ index: Expression) throws -> Value {
        let value = try evaluate(object)
        guard case .slice(let start, let stop, let step) = index.kind else {
            return try item(value, evaluate(index))
        }
        let bounds = try [start, stop, step].map { try $0.map { try evaluate($0) } ?? .none }
        return try slice(value, bounds[0], bounds[1], bounds[2])
    }

    private func concatenate(_ parts: [Expression]) throws -> Value {
        let values = try parts.map { try evaluate($0) }
        if escapesOutput, values.contains(where: { $0.text?.isMarkup ?? false }) {
            var result: [Unicode.Scalar] = []
            for value in values { result += try escape(text(value)).scalars }
            return .string(Text(result, isMarkup: true))
        }
        var result: [Unicode.Scalar] = []
        for value in values { try append(value, to: &result) }
        return .string(Text(result))
    }

    func evaluate(_ arguments: CallArguments) throws -> Arguments {
        var result = Arguments(positional: try arguments.positional.map { try evaluate($0) })
        if let starred = arguments.starred { result.positional += try items(of: evaluate(starred)) }
        result.keyword = try arguments.keyword.map { ($0.name, try evaluate($0.value)) }
        if let doubleStarred = arguments.doubleStarred {
            guard case .dict(let dict) = try evaluate(doubleStarred) else {
                throw TemplateFailure.type("argument after ** must be a mapping")
            }
            for (key, value) in zip(dict.keys, dict.values) {
                guard let name = key.text?.string else { throw TemplateFailure.type("keywords must be strings") }
                guard !result.keyword.contains(where: { $0.name == name }) else {
                    throw TemplateFailure.type("got multiple values for keyword argument '\(name)'")
                }
                result.keyword.append((name, value))
            }
        }
        return result
    }

    func call(_ callee: Value, _ arguments: Arguments) throws -> Value {
        switch callee {
        case .undefined(let undefined): throw undefined.failure
        case .callable(let callable):
            guard let body = callable.body else { throw TemplateFailure.type("a macro outlived its template") }
            try budget.enter()
            defer { budget.leave() }
            return try body(arguments)
        case .loop(let loop):
            guard let recurse = loop.recurse else {
                throw TemplateFailure.type(
                    "The loop must have the 'recursive' marker to be called recursively.")
            }
            return try recurse(arguments.values("loop", ["iterable"], required: 1)[0], loop.depth0 + 1)
        default: throw TemplateFailure.type("'\(callee.typeName)' object is not callable")
        }
    }
}

extension Arguments {
    /// The arguments in the order of `names`, undefined where left out.
    func values(_ function: String, _ names: [String], required: Int = 0) throws -> [Value] {
        guard positional.count <= names.count else {
            throw TemplateFailure.type(
                "\(function)() takes at most \(names.count) arguments (\(positional.count) given)")
        }
        var result: [Value?] = positional + Array(repeating: nil, count: names.count - positional.count)
        for (name, value) in keyword {
            guard let place = names.firstIndex(of: name) else {
                throw TemplateFailure.type("\(function)() got an unexpected keyword argument '\(name)'")
            }
            guard result[place] == nil else {
                throw TemplateFailure.type("\(function)() got multiple values for argument '\(name)'")
            }
            result[place] = value
        }
        for place in 0..<required where result[place] == nil {
            throw TemplateFailure.type("\(function)() missing a required argument: '\(names[place])'")
        }
        return result.map { $0 ?? .missing }
    }
}

extension Value {
    /// Stands for an argument that was left out.
    static var missing: Value { .undefined(UndefinedValue("an argument was left out", kind: Value.missingKind)) }
    private static let missingKind = "Missing"

    /// Whether this argument was given.
    var isGiven: Bool {
        if case .undefined(let undefined) = self { return undefined.kind != Value.missingKind }
        return true
    }

    /// This argument, or nil where it was left out.
    var given: Value? { isGiven ? self : nil }
}
