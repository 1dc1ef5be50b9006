/// Macros as values that can be called.
extension Interpreter {
    func makeMacro(_ macro: Macro) -> Value {
        let definitionScope = scope
        let callable = CallableValue(macro.name, parameters: macro.signature.names) { [unowned self] arguments in
            let inner = Scope(parent: definitionScope)
            return try within(inner) {
                try bind(macro, arguments)
                let before = output
                output = []
                defer { output = before }
                _ = try execute(macro.body)
                return .string(Text(output, isMarkup: escapesOutput))
            }
        }
        return track(callable)
    }

    /// Gives a macro's parameters their values in the current scope.
    private func bind(_ macro: Macro, _ arguments: Arguments) throws {
        let names = macro.signature.names
        var keyword = arguments.keyword
        let firstDefault = names.count - macro.signature.defaults.count
        for (index, name) in names.enumerated() {
            if index < arguments.positional.count {
                scope.variables[name] = arguments.positional[index]
            } else if let place = keyword.firstIndex(where: { $0.name == name }) {
                scope.variables[name] = keyword.remove(at: place).value
            } else if index >= firstDefault {
                scope.variables[name] = try evaluate(macro.signature.defaults[index - firstDefault])
            } else {
                scope.variables[name] = .undefined(UndefinedValue("parameter '\(name)' was not provided"))
            }
        }
        if macro.specials.contains("caller"), !names.contains("caller") {
            let caller = keyword.firstIndex { $0.name == "caller" }.map { keyword.remove(at: $0).value }
            scope.variables["caller"] = caller ?? .undefined(UndefinedValue("No caller defined"))
        }
        if macro.specials.contains("kwargs"), !names.contains("kwargs") {
            scope.variables["kwargs"] = .dict(
                try DictValue(keyword.map { (key: .string($0.name), value: $0.value) }))
            keyword = []
        }
        if let extra = keyword.first {
            throw TemplateFailure.type("macro '\(macro.name)' takes no keyword argument '\(extra.name)'")
        }
        let surplus = Array(arguments.positional.dropFirst(names.count))
        if macro.specials.contains("varargs"), !names.contains("varargs") {
            scope.variables["varargs"] = .tuple(try ListValue(surplus))
        } else if !surplus.isEmpty {
            throw TemplateFailure.type("macro '\(macro.name)' takes not more than \(names.count) argument(s)")
        }
    }
}
