/// Writes compact JSON, members in the order given.
///
///     var writer = JSONWriter()
///     writer.beginObject()
///     writer.member("text", "hi")
///     try writer.member("score", 0.5)
///     writer.endObject()
///     print(writer.text)
///
/// Writing a value where a key belongs, or the reverse, is a broken invariant of the caller and traps.
public struct JSONWriter: Sendable {
    private enum Scope: Sendable { case array, object }

    private var bytes: [UInt8] = []
    private var scopes: [Scope] = []
    private var needsComma = false
    private var hasPendingKey = false

    public init() {}

    /// The text written so far.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Opens an object as the next value.
    public mutating func beginObject() {
        begin(.object, UInt8(ascii: "{"))
    }

    /// Closes the object opened last.
    public mutating func endObject() {
        end(.object, UInt8(ascii: "}"))
    }

    /// Opens an array as the next value.
    public mutating func beginArray() {
        begin(.array, UInt8(ascii: "["))
    }

    /// Closes the array opened last.
    public mutating func endArray() {
        end(.array, UInt8(ascii: "]"))
    }

    /// Writes the key of the next value.
    public mutating func key(_ name: String) {
        precondition(scopes.last == .object && !hasPendingKey, "JSONWriter: a key belongs in an object, before a value")
        separate()
        writeQuoted(name)
        bytes.append(UInt8(ascii: ":"))
        hasPendingKey = true
    }

    /// Writes a string.
    public mutating func value(_ string: String) {
        beginValue()
        writeQuoted(string)
    }

    /// Writes an integer.
    public mutating func value(_ integer: Int) {
        beginValue()
        bytes.append(contentsOf: String(integer).utf8)
    }

    /// Writes a boolean.
    public mutating func value(_ boolean: Bool) {
        beginValue()
        bytes.append(contentsOf: (boolean ? "true" : "false").utf8)
    }

    /// Writes the shortest text that reads back as the same double.
    ///
    /// - Throws: ``JSONError/nonFiniteNumber(_:)``; nothing is written then.
    public mutating func value(_ number: Double) throws(JSONError) {
        guard number.isFinite else { throw .nonFiniteNumber(number) }
        beginValue()
        bytes.append(contentsOf: number.description.utf8)
    }

    /// Writes the shortest text that reads back as the same float.
    ///
    /// - Throws: ``JSONError/nonFiniteNumber(_:)``; nothing is written then.
    public mutating func value(_ number: Float) throws(JSONError) {
        guard number.isFinite else { throw .nonFiniteNumber(Double(number)) }
        beginValue()
        bytes.append(contentsOf: number.description.utf8)
    }

    /// Writes an array of integers.
    public mutating func value(_ integers: [Int]) {
        beginArray()
        for integer in integers { value(integer) }
        endArray()
    }

    /// Writes `null`.
    public mutating func null() {
        beginValue()
        bytes.append(contentsOf: "null".utf8)
    }

    /// Writes a string member.
    public mutating func member(_ name: String, _ string: String) {
        key(name)
        value(string)
    }

    /// Writes an integer member.
    public mutating func member(_ name: String, _ integer: Int) {
        key(name)
        value(integer)
    }

    /// Writes a boolean member.
    public mutating func member(_ name: String, _ boolean: Bool) {
        key(name)
        value(boolean)
    }

    /// Writes a member that is an array of integers.
    public mutating func member(_ name: String, _ integers: [Int]) {
        key(name)
        value(integers)
    }

    /// Writes a number member.
    ///
    /// - Throws: ``JSONError/nonFiniteNumber(_:)``; nothing is written then.
    public mutating func member(_ name: String, _ number: Double) throws(JSONError) {
        guard number.isFinite else { throw .nonFiniteNumber(number) }
        key(name)
        try value(number)
    }

    private mutating func begin(_ scope: Scope, _ bracket: UInt8) {
        beginValue()
        bytes.append(bracket)
        scopes.append(scope)
        needsComma = false
    }

    private mutating func end(_ scope: Scope, _ bracket: UInt8) {
        precondition(scopes.last == scope && !hasPendingKey, "JSONWriter: closes what is not open or lacks a value")
        scopes.removeLast()
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func beginValue() {
        if scopes.last == .object {
            precondition(hasPendingKey, "JSONWriter: a value in an object needs a key first")
            hasPendingKey = false
        } else {
            separate()
        }
        needsComma = true
    }

    private mutating func separate() {
        precondition(!scopes.isEmpty || bytes.isEmpty, "JSONWriter: a text holds one value")
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = false
    }

    private mutating func writeQuoted(_ string: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0x08: bytes += [UInt8(ascii: "\\"), UInt8(ascii: "b")]
            case 0x09: bytes += [UInt8(ascii: "\\"), UInt8(ascii: "t")]
            case 0x0A: bytes += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            case 0x0C: bytes += [UInt8(ascii: "\\"), UInt8(ascii: "f")]
            case 0x0D: bytes += [UInt8(ascii: "\\"), UInt8(ascii: "r")]
            case 0..<0x20:
                bytes.append(contentsOf: (byte < 0x10 ? "\\u000" : "\\u00").utf8)
                bytes.append(contentsOf: String(byte, radix: 16).utf8)
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
