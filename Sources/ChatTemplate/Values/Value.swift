/// A value while a template renders. Lists and dictionaries never change: transformers' sandbox forbids it.
enum Value {
    case undefined(UndefinedValue)
    case none
    case bool(Bool)
    case int(Int)
    /// An integer beyond 64 bits, by its digits: printed, not computed with.
    case largeInteger(Text)
    case float(Double)
    case string(Text)
    case list(ListValue)
    case tuple(ListValue)
    case dict(DictValue)
    case view(ViewValue)
    case range(RangeValue)
    case generator(GeneratorValue)
    case namespace(NamespaceValue)
    case loop(LoopValue)
    case callable(CallableValue)

    static func string(_ string: String) -> Value { .string(Text(string)) }

    /// How deep lists and dictionaries nest in this; bounded so that no walk over a value runs out of stack.
    var depth: Int {
        switch self {
        case .list(let list), .tuple(let list): list.depth
        case .dict(let dict): dict.depth
        case .view(let view): view.items.depth
        case .generator(let generator): generator.depth
        case .loop(let loop): loop.items.depth + 1
        case .callable(let callable): callable.depth
        default: 0
        }
    }

    /// Deepest nesting of a value.
    static let maximumDepth = 200

    static func depth(containing values: some Sequence<Value>) throws -> Int {
        var deepest = 0
        for value in values { deepest = max(deepest, value.depth) }
        guard deepest < maximumDepth else { throw TemplateFailure.limit("\(maximumDepth) levels of nested values") }
        return deepest + 1
    }
}

/// Why something is undefined; what reading it reports.
final class UndefinedValue {
    let message: String
    let kind: String

    init(_ message: String, kind: String = "UndefinedError") {
        self.message = message
        self.kind = kind
    }

    var failure: TemplateFailure { .python(kind: kind, message: message) }
}

final class ListValue {
    let items: [Value]
    let depth: Int
    /// Set for what `groupby` gives: its parts have the names `grouper` and `list`.
    let isGroup: Bool

    init(_ items: [Value], isGroup: Bool = false) throws {
        self.items = items
        self.isGroup = isGroup
        depth = try Value.depth(containing: items)
    }
}

/// What a dictionary finds its keys by. Numbers of equal value are one key, as in Python.
enum HashKey: Hashable {
    case none
    case int(Int)
    case float(Double)
    case text(Text)
    case tuple([HashKey])
    case object(ObjectIdentifier)
    case undefined

    init(_ value: Value) throws {
        switch value {
        case .none: self = .none
        case .bool(let bool): self = .int(bool ? 1 : 0)
        case .int(let int): self = .int(int)
        case .float(let double): self = Int(exactly: double).map(HashKey.int) ?? .float(double)
        case .largeInteger(let digits), .string(let digits): self = .text(digits)
        case .tuple(let list): self = .tuple(try list.items.map { try HashKey($0) })
        case .undefined: self = .undefined
        case .namespace(let object): self = .object(ObjectIdentifier(object))
        case .generator(let object): self = .object(ObjectIdentifier(object))
        case .loop(let object): self = .object(ObjectIdentifier(object))
        case .callable(let object): self = .object(ObjectIdentifier(object))
        case .range(let range): self = .tuple([.int(range.start), .int(range.stop), .int(range.step)])
        case .list, .dict, .view: throw TemplateFailure.type("unhashable type: '\(value.typeName)'")
        }
    }
}

final class DictValue {
    let keys: [Value]
    let values: [Value]
    let depth: Int
    private let index: [HashKey: Int]

    init(_ members: [(key: Value, value: Value)]) throws {
        var keys: [Value] = []
        var values: [Value] = []
        var index: [HashKey: Int] = [:]
        for member in members {
            let hash = try HashKey(member.key)
            if let place = index[hash] {
                values[place] = member.value
            } else {
                index[hash] = keys.count
                keys.append(member.key)
                values.append(member.value)
            }
        }
        depth = try max(Value.depth(containing: values), Value.depth(containing: keys))
        self.keys = keys
        self.values = values
        self.index = index
    }

    subscript(key: HashKey) -> Value? { index[key].map { values[$0] } }
    subscript(key: String) -> Value? { self[.text(Text(key))] }
}

/// What `keys()`, `values()` and `items()` of a dictionary give.
final class ViewValue {
    enum Kind: String { case keys, values, items }
    let kind: Kind
    let items: ListValue

    init(_ kind: Kind, of dict: DictValue) throws {
        self.kind = kind
        switch kind {
        case .keys: items = try ListValue(dict.keys)
        case .values: items = try ListValue(dict.values)
        case .items:
            items = try ListValue(zip(dict.keys, dict.values).map { .tuple(try ListValue([$0, $1])) })
        }
    }
}

struct RangeValue {
    let start: Int
    let stop: Int
    let step: Int
    let count: Int

    static let maximumCount = 100_000

    init(start: Int, stop: Int, step: Int) throws {
        guard step != 0 else { throw TemplateFailure.value("range() arg 3 must not be zero") }
        self.start = start
        self.stop = stop
        self.step = step
        let span = Double(stop) - Double(start)
        let count = (span / Double(step)).rounded(.up)
        guard count <= Double(RangeValue.maximumCount) else {
            throw TemplateFailure.python(
                kind: "OverflowError",
                message: "Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).")
        }
        self.count = count > 0 ? Int(count) : 0
    }

    var items: [Value] { (0..<count).map { .int(start &+ $0 &* step) } }
}

/// An iterator: what it gave once it does not give again. Nothing is computed before it is asked for, so that what nobody
/// reads cannot fail.
final class GeneratorValue {
    /// Gives one item after the other; made when the first one is asked for, since making it may fail.
    typealias Pull = () throws -> Value?

    private var start: (() throws -> Pull)?
    private var pull: Pull?
    let depth: Int
    let name: String

    init(_ items: [Value], name: String = "generator") throws {
        self.name = name
        depth = try Value.depth(containing: items)
        pull = GeneratorValue.pull(from: items)
    }

    /// What is made of the items of `source`.
    init(over source: Value, start: @escaping () throws -> Pull) throws {
        name = "generator"
        depth = try Value.depth(containing: CollectionOfOne(source))
        self.start = start
    }

    static func pull(from items: [Value]) -> Pull {
        var position = 0
        return {
            guard position < items.count else { return nil }
            position += 1
            return items[position - 1]
        }
    }

    func next() throws -> Value? {
        if let start {
            self.start = nil
            pull = try start()
        }
        guard let item = try pull?() else {
            pull = nil
            return nil
        }
        return item
    }

    func rest() throws -> [Value] {
        var items: [Value] = []
        while let item = try next() { items.append(item) }
        return items
    }
}

/// The one mutable value.
final class NamespaceValue {
    var members: [String: Value]
    var order: [String]

    init(_ members: [(String, Value)]) {
        self.members = Dictionary(members, uniquingKeysWith: { $1 })
        order = []
        for (name, _) in members where !order.contains(name) { order.append(name) }
    }

    func set(_ name: String, _ value: Value) {
        if members.updateValue(value, forKey: name) == nil { order.append(name) }
    }
}

/// `loop` inside a `for`.
final class LoopValue {
    let items: ListValue
    let depth0: Int
    var index0 = 0
    var lastChanged: [Value]?
    /// Set for a `recursive` loop: renders the loop again over other items.
    var recurse: ((Value, Int) throws -> Value)?

    init(_ items: ListValue, depth0: Int) {
        self.items = items
        self.depth0 = depth0
    }
}

/// The arguments of a call.
struct Arguments {
    var positional: [Value] = []
    var keyword: [(name: String, value: Value)] = []
}

/// Something that can be called: a function, a method with its receiver, or a macro.
final class CallableValue {
    let name: String
    let depth: Int
    /// Set for a macro: the names of its parameters.
    let parameters: [String]?
    /// Emptied at the end of a rendering, because macros and the scopes they lie in hold one another.
    var body: ((Arguments) throws -> Value)?
    /// Members, of `cycler` and `joiner` objects.
    var member: ((String) -> Value?)?

    init(
        _ name: String, depth: Int = 0, parameters: [String]? = nil, body: @escaping (Arguments) throws -> Value
    ) {
        self.name = name
        self.depth = depth
        self.parameters = parameters
        self.body = body
    }
}
