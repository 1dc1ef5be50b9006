/// Jinja's tests.
enum Tests {
    static let names: Set<String> = [
        "odd", "even", "divisibleby", "defined", "undefined", "filter", "test", "none", "boolean", "false", "true",
        "integer", "float", "lower", "upper", "string", "mapping", "number", "sequence", "iterable", "callable",
        "sameas", "escaped", "in", "==", "eq", "equalto", "!=", "ne", ">", "gt", "greaterthan", "ge", ">=", "<", "lt",
        "lessthan", "<=", "le",
    ]
}

extension Interpreter {
    func applyTest(_ name: String, to value: Value, _ arguments: Arguments) throws -> Bool {
        if let result = try typeTest(name, value, arguments) { return result }
        if let result = try comparisonTest(name, value, arguments) { return result }
        throw TemplateFailure.runtime("No test named '\(name)' found.")
    }

    private func typeTest(_ name: String, _ value: Value, _ arguments: Arguments) throws -> Bool? {
        let result: Bool
        switch (name, value) {
        case ("defined", _): result = !value.isUndefined
        case ("undefined", _): result = value.isUndefined
        case ("none", _): result = value.isNone
        case ("boolean", .bool): result = true
        case ("true", .bool(let bool)): result = bool
        case ("false", .bool(let bool)): result = !bool
        case ("integer", .int), ("integer", .largeInteger), ("float", .float), ("string", .string),
            ("mapping", .dict), ("number", .bool), ("number", .int), ("number", .largeInteger), ("number", .float):
            result = true
        case ("boolean", _), ("true", _), ("false", _), ("integer", _), ("float", _), ("string", _), ("mapping", _),
            ("number", _):
            result = false
        case ("sequence", .string), ("sequence", .list), ("sequence", .tuple), ("sequence", .dict),
            ("sequence", .range):
            result = true
        // Its `__getitem__` exists, as a method that raises an error.
        case ("sequence", .undefined): result = true
        case ("sequence", _): result = false
        case ("iterable", .none), ("iterable", .bool), ("iterable", .int), ("iterable", .largeInteger),
            ("iterable", .float), ("iterable", .namespace), ("iterable", .callable):
            result = false
        case ("iterable", _): result = true
        case ("callable", .callable), ("callable", .loop), ("callable", .undefined): result = true
        case ("callable", _): result = false
        case ("escaped", _): result = value.text?.isMarkup ?? false
        case ("lower", _): result = try text(value).isCased(lower: true)
        case ("upper", _): result = try text(value).isCased(lower: false)
        case ("filter", _): result = try isName(value, in: Filters.names)
        case ("test", _): result = try isName(value, in: Tests.names)
        default: return nil
        }
        _ = try arguments.values(name, [])
        return result
    }

    /// `value in names`, which Python looks up by hash.
    private func isName(_ value: Value, in names: Set<String>) throws -> Bool {
        _ = try HashKey(value)
        return value.text.map { names.contains($0.string) } ?? false
    }

    private func comparisonTest(_ name: String, _ value: Value, _ arguments: Arguments) throws -> Bool? {
        func other() throws -> Value { try arguments.values(name, ["other"], required: 1)[0] }
        switch name {
        case "odd", "even":
            _ = try arguments.values(name, [])
            return try isEqual(binary(.modulo, value, .int(2)), .int(name == "odd" ? 1 : 0))
        case "divisibleby":
            let divisor = try arguments.values(name, ["num"], required: 1)[0]
            return try isEqual(binary(.modulo, value, divisor), .int(0))
        case "sameas": return try isSame(value, other())
        case "in": return try contains(arguments.values(name, ["seq"], required: 1)[0], value)
        case "eq", "==", "equalto": return try isEqual(value, other())
        case "ne", "!=": return try !isEqual(value, other())
        case "gt", ">", "greaterthan": return try compare(value, .greater, other())
        case "ge", ">=": return try compare(value, .greaterOrEqual, other())
        case "lt", "<", "lessthan": return try compare(value, .less, other())
        case "le", "<=": return try compare(value, .lessOrEqual, other())
        default: return nil
        }
    }

    /// `is` of Python, as far as values of ours have an identity.
    private func isSame(_ left: Value, _ right: Value) throws -> Bool {
        switch (left, right) {
        case (.bool(let left), .bool(let right)): return left == right
        case (.bool, _), (_, .bool): return false
        case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)): return left === right
        case (.dict(let left), .dict(let right)): return left === right
        default: return try left.typeName == right.typeName && isEqual(left, right)
        }
    }
}
