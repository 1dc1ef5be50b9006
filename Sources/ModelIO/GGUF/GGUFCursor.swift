/// Reads a GGUF file's header from front to back. Every length is checked against the remaining bytes before it is
/// used, and nothing is allocated by it.
struct GGUFCursor {
    private let bytes: UnsafeRawBufferPointer
    private let path: String
    /// The place of the next byte in `bytes`.
    private(set) var offset = 0

    init(_ bytes: UnsafeRawBufferPointer, path: String) {
        self.bytes = bytes
        self.path = path
    }

    var remaining: Int { bytes.count - offset }

    /// A little-endian integer; `what` names it in the error where the file ends too early.
    mutating func integer<Value: FixedWidthInteger>(_: Value.Type, _ what: @autoclosure () -> String) throws -> Value {
        let size = MemoryLayout<Value>.size
        guard remaining >= size else { throw endsInside(what()) }
        defer { offset += size }
        return Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }

    /// A 64-bit count of things that take at least `minimumByteCount` bytes each. A count that cannot fit the rest of
    /// the file is an error.
    mutating func count(ofAtLeast minimumByteCount: Int, _ what: @autoclosure () -> String) throws -> Int {
        let count = try integer(UInt64.self, what())
        guard count <= UInt64(remaining / max(minimumByteCount, 1)) else {
            throw LoadError.invalidFile(
                path: path, reason: "\(what()) is \(count), more than the \(remaining) bytes behind it can hold")
        }
        return Int(count)
    }

    /// The place of a string: a 64-bit length and so many bytes.
    mutating func string(_ what: @autoclosure () -> String) throws -> Range<Int> {
        let length = try integer(UInt64.self, "the length of \(what())")
        guard length <= UInt64(remaining) else {
            throw LoadError.invalidFile(
                path: path,
                reason: "\(what()) has a length of \(length) bytes, but the file ends \(remaining) bytes behind it")
        }
        defer { offset += Int(length) }
        return offset..<offset + Int(length)
    }

    /// Skips `byteCount` bytes.
    mutating func skip(_ byteCount: Int, _ what: @autoclosure () -> String) throws {
        guard remaining >= byteCount else { throw endsInside(what()) }
        offset += byteCount
    }

    /// The bytes in `range` as text; `nil` where they are not UTF-8.
    func text(_ range: Range<Int>) -> String? { String(validating: bytes[range], as: UTF8.self) }

    /// The bytes in `range` as text, with U+FFFD for what is not UTF-8.
    func repairedText(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    func slice(_ range: Range<Int>) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[range]) }

    private func endsInside(_ what: String) -> LoadError {
        .invalidFile(path: path, reason: "the GGUF file ends inside \(what), at byte \(bytes.count) (truncated?)")
    }
}
