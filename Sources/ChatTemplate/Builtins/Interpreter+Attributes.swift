extension Interpreter {
    /// What `getattr` of Python finds: methods and the parts of Jinja's own objects. Nil where there is nothing.
    func attributeOnly(_ object: Value, _ name: String) throws -> Value? {
        if name.hasPrefix("__"), name.hasSuffix("__"), Interpreter.specialNames.contains(name) {
            return unsafe(object, name)
        }
        switch object {
        case .dict(let dict):
            if ["clear", "pop", "popitem", "setdefault", "update"].contains(name) { return unsafe(object, name) }
            return dictMethod(dict, name)
        case .list(let list):
            if Interpreter.listMutators.contains(name) { return unsafe(object, name) }
            return sequenceMethod(object, list, name)
        case .tuple(let list):
            if list.isGroup, list.items.count == 2 {
                if name == "grouper" { return list.items[0] }
                if name == "list" { return list.items[1] }
            }
            return name == "copy" ? nil : sequenceMethod(object, list, name)
        case .string(let text): return stringMethod(text, name)
        case .namespace(let namespace): return namespace.members[name]
        case .loop(let loop): return try loopAttribute(loop, name)
        case .callable(let callable):
            if let member = callable.member?(name) { return member }
            guard let parameters = callable.parameters else { return nil }
            switch name {
            case "name": return .string(callable.name)
            case "arguments": return .tuple(try ListValue(parameters.map { .string($0) }))
            default: return nil
            }
        case .float(let double) where name == "is_integer":
            return method(name) { _ in .bool(double.rounded(.towardZero) == double) }
        default: return nil
        }
    }

    private static let specialNames: Set<String> = [
        "__class__", "__doc__", "__init__", "__dict__", "__module__", "__getattribute__", "__eq__", "__ne__",
        "__hash__", "__str__", "__repr__", "__len__", "__iter__", "__contains__", "__getitem__", "__reduce__",
        "__reduce_ex__", "__sizeof__", "__subclasshook__", "__init_subclass__", "__new__", "__delattr__",
        "__setattr__", "__dir__", "__format__", "__add__", "__mul__", "__mod__", "__call__", "__globals__",
    ]

    private static let listMutators: Set<String> = [
        "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove",
    ]

    private func unsafe(_ object: Value, _ name: String) -> Value {
        .undefined(
            UndefinedValue(
                "access to attribute '\(name)' of '\(object.typeName)' object is unsafe.", kind: "SecurityError"))
    }

    func method(_ name: String, depth: Int = 0, _ body: @escaping (Arguments) throws -> Value) -> Value {
        .callable(CallableValue(name, depth: depth, body: body))
    }

    private func dictMethod(_ dict: DictValue, _ name: String) -> Value? {
        let depth = dict.depth + 1
        switch name {
        case "keys", "values", "items":
            guard let kind = ViewValue.Kind(rawValue: name) else { return nil }
            return method(name, depth: depth) { arguments in
                _ = try arguments.values(name, [])
                return .view(try ViewValue(kind, of: dict))
            }
        case "get":
            return method(name, depth: depth) { arguments in
                let values = try arguments.values("get", ["key", "default"], required: 1)
                return try dict[HashKey(values[0])] ?? values[1].given ?? .none
            }
        case "copy": return method(name, depth: depth) { _ in .dict(dict) }
        case "fromkeys":
            return method(name) { [unowned self] arguments in
                let values = try arguments.values("fromkeys", ["iterable", "value"], required: 1)
                return .dict(
                    try DictValue(items(of: values[0]).map { (key: $0, value: values[1].given ?? .none) }))
            }
        default: return nil
        }
    }

    private func sequenceMethod(_ object: Value, _ list: ListValue, _ name: String) -> Value? {
        let depth = list.depth + 1
        switch name {
        case "index":
            return method(name, depth: depth) { [unowned self] arguments in
                let values = try arguments.values("index", ["value"], required: 1)
                for (place, item) in list.items.enumerated() where try isEqual(item, values[0]) { return .int(place) }
                throw TemplateFailure.value("\(try representation(values[0]).string) is not in list")
            }
        case "count":
            return method(name, depth: depth) { [unowned self] arguments in
                let values = try arguments.values("count", ["value"], required: 1)
                return .int(try list.items.filter { try isEqual($0, values[0]) }.count)
            }
        case "copy": return method(name, depth: depth) { _ in object }
        default: return nil
        }
    }

    private func loopAttribute(_ loop: LoopValue, _ name: String) throws -> Value? {
        let count = loop.items.items.count
        let index = loop.index0
        switch name {
        case "index": return .int(index + 1)
        case "index0": return .int(index)
        case "revindex": return .int(count - index)
        case "revindex0": return .int(count - index - 1)
        case "first": return .bool(index == 0)
        case "last": return .bool(index == count - 1)
        case "length": return .int(count)
        case "depth": return .int(loop.depth0 + 1)
        case "depth0": return .int(loop.depth0)
        case "previtem":
            return index > 0
                ? loop.items.items[index - 1] : .undefined(UndefinedValue("there is no previous item"))
        case "nextitem":
            return index + 1 < count
                ? loop.items.items[index + 1] : .undefined(UndefinedValue("there is no next item"))
        case "cycle":
            return method(name) { arguments in
                guard !arguments.positional.isEmpty else { throw TemplateFailure.type("no items for cycling given") }
                return arguments.positional[loop.index0 % arguments.positional.count]
            }
        case "changed":
            return method(name) { [unowned self] arguments in
                remember(loop)
                let before = loop.lastChanged
                loop.lastChanged = arguments.positional
                guard let before, before.count == arguments.positional.count else { return .bool(true) }
                for (old, new) in zip(before, arguments.positional) where try !isEqual(old, new) {
                    return .bool(true)
                }
                return .bool(false)
            }
        default: return nil
        }
    }
}
