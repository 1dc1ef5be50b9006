/// The kind of a JSON value.
public enum JSONKind: UInt8, Sendable {
    case null, `false`, `true`, integer, real, string, array, object

    /// The kind with its article, for error messages ("a string").
    public var name: String {
        switch self {
        case .null: "null"
        case .false, .true: "a boolean"
        case .integer: "an integer"
        case .real: "a number with a fraction or exponent"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

/// How strictly JSON is read.
public struct JSONReadingOptions: Sendable {
    /// Accept the bare words `NaN`, `Infinity` and `-Infinity`, which Python's `json` module writes.
    public var allowsNonFiniteNumbers: Bool
    /// How deep arrays and objects may nest before the text is refused.
    public var maximumDepth: Int

    public init(allowsNonFiniteNumbers: Bool = false, maximumDepth: Int = 128) {
        self.allowsNonFiniteNumbers = allowsNonFiniteNumbers
        self.maximumDepth = maximumDepth
    }
}

/// One value on the tape. Nodes lie in document order; the members of an object are a key node followed by its value.
package struct JSONNode: Sendable {
    package var kind: JSONKind
    /// Whether a string holds backslash escapes and must be decoded before use.
    package var hasEscapes: Bool
    /// Byte offset of the text: of a string, after its opening quote.
    package var offset: UInt32
    /// Bytes of text for scalars; elements or members for containers.
    package var length: UInt32
    /// Index of the node after this value and all it contains.
    package var next: UInt32
}

/// The immutable bytes and nodes that all values of one document share.
final class JSONStorage: Sendable {
    let source: String
    let bytes: [UInt8]
    let nodes: [JSONNode]

    init(source: String, bytes: [UInt8], nodes: [JSONNode]) {
        self.source = source
        self.bytes = bytes
        self.nodes = nodes
    }
}

/// A parsed JSON text: the bytes, checked once against RFC 8259 and UTF-8, and a flat index ("tape") of its values.
///
/// Parsing allocates 16 bytes a value and nothing else; strings and numbers are decoded when asked for. Hostile text
/// (deep nesting, broken UTF-8, lone surrogates, trailing garbage) ends in a ``JSONError``. Of duplicate keys the last
/// one wins, as in Python.
public struct JSONDocument: Sendable {
    let storage: JSONStorage

    /// Parses a whole JSON text.
    ///
    /// - Parameters:
    ///   - bytes: the text in UTF-8, without a byte order mark.
    ///   - source: what to call the text in errors, such as a file's path.
    ///   - options: see ``JSONReadingOptions``.
    /// - Throws: ``JSONError`` naming the line and what was expected there.
    public init(
        parsing bytes: [UInt8], source: String = "JSON", options: JSONReadingOptions = .init()
    ) throws(JSONError) {
        guard bytes.count < Int(UInt32.max) / 2 else {
            throw .tooLarge(source: source, byteCount: bytes.count)
        }
        let outcome = bytes.withUnsafeBufferPointer { buffer -> Result<[JSONNode], JSONError> in
            var parser = JSONParser(text: buffer, source: source, options: options)
            do throws(JSONError) {
                try parser.parseDocument()
                return .success(parser.nodes)
            } catch {
                return .failure(error)
            }
        }
        storage = JSONStorage(source: source, bytes: bytes, nodes: try outcome.get())
    }

    /// Parses a copy of `bytes`; see ``init(parsing:source:options:)-(Array,_,_)``.
    public init(
        parsing bytes: UnsafeRawBufferPointer, source: String = "JSON", options: JSONReadingOptions = .init()
    ) throws(JSONError) {
        try self.init(parsing: [UInt8](bytes), source: source, options: options)
    }

    /// Parses a string.
    public init(
        parsing text: String, source: String = "JSON", options: JSONReadingOptions = .init()
    ) throws(JSONError) {
        try self.init(parsing: [UInt8](text.utf8), source: source, options: options)
    }

    /// The outermost value.
    public var root: JSONValue { JSONValue(storage: storage, index: 0) }
}
