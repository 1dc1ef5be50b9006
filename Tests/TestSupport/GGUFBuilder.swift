/// Writes small GGUF files into memory, good ones and broken ones. Every field can be given as the file should have it,
/// whether it is true or not.
public struct GGUFBuilder: Sendable {
    /// A value of the metadata with its type.
    public indirect enum Value: Sendable {
        case uint8(UInt8), int8(Int8), uint16(UInt16), int16(Int16), uint32(UInt32), int32(Int32), float32(Float)
        case bool(UInt8), string(String), uint64(UInt64), int64(Int64), float64(Double)
        /// Elements of the type of the number; `count` is what the file says.
        case array(type: UInt32, count: UInt64, elements: [UInt8])
        /// Bytes behind a type of any number.
        case raw(type: UInt32, bytes: [UInt8])

        public static func strings(_ strings: [String]) -> Value {
            .array(type: 8, count: UInt64(strings.count), elements: strings.flatMap { GGUFBuilder.bytes(of: $0) })
        }

        public static func floats(_ floats: [Float]) -> Value {
            .array(
                type: 6, count: UInt64(floats.count), elements: floats.flatMap { GGUFBuilder.bytes(of: $0.bitPattern) })
        }

        public static func int32s(_ integers: [Int32]) -> Value {
            .array(type: 5, count: UInt64(integers.count), elements: integers.flatMap { GGUFBuilder.bytes(of: $0) })
        }

        public static func bytes(_ bytes: [UInt8]) -> Value {
            .array(type: 0, count: UInt64(bytes.count), elements: bytes)
        }

        /// Type and value as they lie in the file.
        public var encoded: [UInt8] {
            switch self {
            case .uint8(let value): GGUFBuilder.bytes(of: UInt32(0)) + [value]
            case .int8(let value): GGUFBuilder.bytes(of: UInt32(1)) + [UInt8(bitPattern: value)]
            case .uint16(let value): GGUFBuilder.bytes(of: UInt32(2)) + GGUFBuilder.bytes(of: value)
            case .int16(let value): GGUFBuilder.bytes(of: UInt32(3)) + GGUFBuilder.bytes(of: value)
            case .uint32(let value): GGUFBuilder.bytes(of: UInt32(4)) + GGUFBuilder.bytes(of: value)
            case .int32(let value): GGUFBuilder.bytes(of: UInt32(5)) + GGUFBuilder.bytes(of: value)
            case .float32(let value): GGUFBuilder.bytes(of: UInt32(6)) + GGUFBuilder.bytes(of: value.bitPattern)
            case .bool(let value): GGUFBuilder.bytes(of: UInt32(7)) + [value]
            case .string(let value): GGUFBuilder.bytes(of: UInt32(8)) + GGUFBuilder.bytes(of: value)
            case .array(let type, let count, let elements):
                GGUFBuilder.bytes(of: UInt32(9)) + GGUFBuilder.bytes(of: type) + GGUFBuilder.bytes(of: count) + elements
            case .uint64(let value): GGUFBuilder.bytes(of: UInt32(10)) + GGUFBuilder.bytes(of: value)
            case .int64(let value): GGUFBuilder.bytes(of: UInt32(11)) + GGUFBuilder.bytes(of: value)
            case .float64(let value): GGUFBuilder.bytes(of: UInt32(12)) + GGUFBuilder.bytes(of: value.bitPattern)
            case .raw(let type, let bytes): GGUFBuilder.bytes(of: type) + bytes
            }
        }
    }

    /// A tensor; `extents` as the file has them, the innermost first.
    public struct Tensor: Sendable {
        public var name: String
        public var extents: [UInt64]
        public var type: UInt32
        public var bytes: [UInt8]
        /// What the file says, where it is not where the bytes lie.
        public var offset: UInt64?
        public var dimensionCount: UInt32?

        public init(_ name: String, _ extents: [UInt64], type: UInt32 = 0, bytes: [UInt8], offset: UInt64? = nil) {
            self.name = name
            self.extents = extents
            self.type = type
            self.bytes = bytes
            self.offset = offset
        }

        public init(_ name: String, _ extents: [UInt64], _ floats: [Float]) {
            self.init(name, extents, bytes: floats.withUnsafeBytes { [UInt8]($0) })
        }
    }

    public var magic = Array("GGUF".utf8)
    public var version: UInt32 = 3
    public var tensorCount: UInt64?
    public var pairCount: UInt64?
    public var metadata: [(key: String, value: Value)] = []
    public var tensors: [Tensor] = []
    public var alignment = 32

    public init(metadata: [(String, Value)] = [], tensors: [Tensor] = []) {
        self.metadata = metadata.map { (key: $0.0, value: $0.1) }
        self.tensors = tensors
    }

    public static func bytes<Integer: FixedWidthInteger>(of integer: Integer) -> [UInt8] {
        withUnsafeBytes(of: integer.littleEndian) { [UInt8]($0) }
    }

    /// A string as the file has it: its length and its UTF-8.
    public static func bytes(of string: String) -> [UInt8] { bytes(of: UInt64(string.utf8.count)) + string.utf8 }

    /// The file.
    public var file: [UInt8] {
        var header = magic + Self.bytes(of: version)
        header += Self.bytes(of: tensorCount ?? UInt64(tensors.count))
        header += Self.bytes(of: pairCount ?? UInt64(metadata.count))
        for (key, value) in metadata { header += Self.bytes(of: key) + value.encoded }
        var data: [UInt8] = []
        for tensor in tensors {
            data += padding(data.count)
            header += Self.bytes(of: tensor.name)
            header += Self.bytes(of: tensor.dimensionCount ?? UInt32(tensor.extents.count))
            for extent in tensor.extents { header += Self.bytes(of: extent) }
            header += Self.bytes(of: tensor.type) + Self.bytes(of: tensor.offset ?? UInt64(data.count))
            data += tensor.bytes
        }
        return header + padding(header.count) + data
    }

    private func padding(_ count: Int) -> [UInt8] {
        [UInt8](repeating: 0, count: (alignment - count % alignment) % alignment)
    }
}
