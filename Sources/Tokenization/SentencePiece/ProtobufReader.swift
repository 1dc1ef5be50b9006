/// Reads the fields of a protocol buffer message in order, and nothing but what lies in its bytes.
///
/// Wire format: https://protobuf.dev/programming-guides/encoding. Groups, which no message here has, are refused.
struct ProtobufReader {
    /// The value of a field, by its wire type.
    enum Value {
        case varint(UInt64)
        case fixed64(UInt64)
        case bytes(ByteBuffer)
        case fixed32(UInt32)
    }

    private let message: ByteBuffer
    private var position = 0

    init(_ message: ByteBuffer) {
        self.message = message
    }

    /// The next field, or nil at the end.
    ///
    /// - Throws: ``TokenizationError/invalidSentencePieceModel(reason:)`` where the message is cut off or damaged.
    mutating func next() throws -> (number: Int, value: Value)? {
        guard position < message.count else { return nil }
        let start = position
        let key = try varint()
        guard key >> 3 > 0, key >> 3 < 1 << 29 else { throw damaged(at: start) }
        let number = Int(key >> 3)
        switch key & 7 {
        case 0: return (number, .varint(try varint()))
        case 1: return (number, .fixed64(try fixed(byteCount: 8)))
        case 2:
            let count = try varint()
            guard count <= UInt64(message.count - position) else { throw damaged(at: start) }
            defer { position += Int(count) }
            return (number, .bytes(ByteBuffer(rebasing: message[position..<position + Int(count)])))
        case 5: return (number, .fixed32(UInt32(truncatingIfNeeded: try fixed(byteCount: 4))))
        default: throw damaged(at: start)
        }
    }

    private mutating func varint() throws -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard position < message.count else { break }
            let byte = message[position]
            position += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
        }
        throw damaged(at: position)
    }

    private mutating func fixed(byteCount: Int) throws -> UInt64 {
        guard message.count - position >= byteCount else { throw damaged(at: position) }
        defer { position += byteCount }
        return (0..<byteCount).reduce(0) { $0 | UInt64(message[position + $1]) << (8 * UInt64($1)) }
    }

    private func damaged(at offset: Int) -> TokenizationError {
        .invalidSentencePieceModel(reason: "a field at byte \(offset) of \(message.count) is cut off or damaged")
    }
}
