package import JSONCore

/// A place where the keys of a configuration are looked up: an object of a JSON file, or the metadata of a GGUF file
/// under Hugging Face's keys.
public protocol ConfigurationSource: Sendable {
    /// The keys that are present.
    var keys: [String] { get }
    func value(of key: String) -> ConfigurationValue?
}

/// A value of a configuration, from whichever file it comes.
public enum ConfigurationValue: Sendable {
    case null
    case bool(Bool)
    case integer(Int)
    /// A number that is no integer or does not fit one; infinite where it is out of range.
    case real(Double)
    case string(String)
    case array([ConfigurationValue])
    case object(any ConfigurationSource)

    public var isNull: Bool { if case .null = self { true } else { false } }
    public var bool: Bool? { if case .bool(let bool) = self { bool } else { nil } }
    public var int: Int? { if case .integer(let int) = self { int } else { nil } }
    public var string: String? { if case .string(let string) = self { string } else { nil } }
    public var array: [ConfigurationValue]? { if case .array(let array) = self { array } else { nil } }
    public var object: (any ConfigurationSource)? { if case .object(let object) = self { object } else { nil } }

    public var double: Double? {
        switch self {
        case .integer(let integer): Double(integer)
        case .real(let real): real
        default: nil
        }
    }

    /// The kind of the value in words, for errors.
    var summary: String {
        switch self {
        case .null: "null"
        case .bool(let bool): "\(bool)"
        case .integer(let integer): "\(integer)"
        case .real(let real): real.isInfinite ? "a number out of range" : "\(real)"
        case .string(let string): "\"\(printable(string, limit: 40))\""
        case .array: JSONKind.array.name
        case .object: JSONKind.object.name
        }
    }
}

/// Keys and values in memory.
public struct ConfigurationTable: ConfigurationSource {
    private var values: [String: ConfigurationValue] = [:]

    public init() {}

    public var keys: [String] { values.keys.sorted() }
    public func value(of key: String) -> ConfigurationValue? { values[key] }

    public mutating func set(_ key: String, _ value: ConfigurationValue) { values[key] = value }
    public mutating func set(_ key: String, _ value: Int) { set(key, .integer(value)) }
    public mutating func set(_ key: String, _ value: Double) { set(key, .real(value)) }
    public mutating func set(_ key: String, _ value: Bool) { set(key, .bool(value)) }
    public mutating func set(_ key: String, _ value: String) { set(key, .string(value)) }
    public mutating func set(_ key: String, _ values: [String]) { set(key, .array(values.map { .string($0) })) }
    public mutating func set(_ key: String, _ table: ConfigurationTable) { set(key, .object(table)) }
}

/// An object of a JSON text.
struct JSONConfiguration: ConfigurationSource {
    let object: JSONValue

    var keys: [String] { object.object.map { $0.map(\.key) } ?? [] }
    func value(of key: String) -> ConfigurationValue? { object[key].map(ConfigurationValue.init) }
}

extension ConfigurationValue {
    init(_ json: JSONValue) {
        switch json.kind {
        case .null: self = .null
        case .true, .false: self = .bool(json.kind == .true)
        case .integer, .real: self = json.int.map { .integer($0) } ?? .real(json.double ?? .infinity)
        case .string: self = .string(json.string ?? "")
        case .array: self = .array(json.array?.map(ConfigurationValue.init) ?? [])
        case .object: self = .object(JSONConfiguration(object: json))
        }
    }
}

extension ConfigurationReader {
    /// Reads the keys of an object of a JSON text.
    package init(json: JSONValue, path: String, prefix: String = "") {
        self.init(JSONConfiguration(object: json), path: path, prefix: prefix)
    }
}
