public import JSONCore

/// A value that a template's variable can have: what JSON can say. Members keep their order.
public enum TemplateValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case int(Int)
    case double(Double)
    /// An integer beyond 64 bits, by its decimal digits.
    case largeInteger(String)
    case string(String)
    case array([TemplateValue])
    /// Members in order; of several with one key the last counts, at the place of the first, as in Python.
    case object([Member])

    /// A key and its value.
    public struct Member: Sendable, Equatable {
        public var key: String
        public var value: TemplateValue

        public init(_ key: String, _ value: TemplateValue) {
            self.key = key
            self.value = value
        }
    }

    /// The value of a JSON text.
    public init(_ json: JSONValue) {
        switch json.kind {
        case .null: self = .null
        case .true: self = .bool(true)
        case .false: self = .bool(false)
        case .integer:
            if let int = json.int {
                self = .int(int)
            } else {
                self = json.withCursor { .largeInteger(String(decoding: $0.rawText, as: UTF8.self)) }
            }
        case .real:
            // Python reads a number beyond a double as an infinity.
            self = .double(
                json.double ?? json.withCursor { $0.rawText.first == UInt8(ascii: "-") ? -.infinity : .infinity })
        case .string: self = .string(json.string ?? "")
        case .array: self = .array((json.array.map { Array($0) } ?? []).map { TemplateValue($0) })
        case .object:
            self = .object((json.object.map { Array($0) } ?? []).map { Member($0.key, TemplateValue($0.value)) })
        }
    }

    /// The member called `key` (the last of several), or nil where this is no object or has none.
    public subscript(key: String) -> TemplateValue? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.key == key }?.value
    }
}

extension TemplateValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(integerLiteral value: Int) { self = .int(value) }
    public init(arrayLiteral elements: TemplateValue...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, TemplateValue)...) {
        self = .object(elements.map { Member($0.0, $0.1) })
    }
}
