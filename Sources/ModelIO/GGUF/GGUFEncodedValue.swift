internal import TensorCore

/// A value of GGUF metadata as bytes, of any of the format's types.
public struct GGUFEncodedValue: Sendable, Hashable {
    public let type: GGUFValueType
    /// The value as it lies in the file, behind its type.
    let bytes: [UInt8]

    private init(_ type: GGUFValueType, _ bytes: [UInt8]) {
        self.type = type
        self.bytes = bytes
    }

    private init<Value: FixedWidthInteger>(_ type: GGUFValueType, _ value: Value) {
        self.init(type, GGUFEncodedValue.bytes(of: value))
    }

    static func bytes<Value: FixedWidthInteger>(of value: Value) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { [UInt8]($0) }
    }

    /// A string as the format has it: its length in 64 bits, and its UTF-8.
    static func bytes(of string: String) -> [UInt8] { bytes(of: UInt64(string.utf8.count)) + Array(string.utf8) }

    public static func uint8(_ value: UInt8) -> Self { Self(.uint8, value) }
    public static func int8(_ value: Int8) -> Self { Self(.int8, value) }
    public static func uint16(_ value: UInt16) -> Self { Self(.uint16, value) }
    public static func int16(_ value: Int16) -> Self { Self(.int16, value) }
    public static func uint32(_ value: UInt32) -> Self { Self(.uint32, value) }
    public static func int32(_ value: Int32) -> Self { Self(.int32, value) }
    public static func uint64(_ value: UInt64) -> Self { Self(.uint64, value) }
    public static func int64(_ value: Int64) -> Self { Self(.int64, value) }
    public static func float32(_ value: Float) -> Self { Self(.float32, value.bitPattern) }
    public static func float64(_ value: Double) -> Self { Self(.float64, value.bitPattern) }
    public static func bool(_ value: Bool) -> Self { Self(.bool, UInt8(value ? 1 : 0)) }
    public static func string(_ value: String) -> Self { Self(.string, bytes(of: value)) }

    /// An array of values of one type, arrays too.
    /// - Precondition: every element is of `type`.
    public static func array(of type: GGUFValueType, _ elements: [Self]) -> Self {
        precondition(elements.allSatisfy { $0.type == type }, "an array of \(type)s holds another type")
        return array(of: type, count: elements.count, bytes: elements.flatMap(\.bytes))
    }

    public static func strings(_ values: [String]) -> Self {
        var encoded: [UInt8] = []
        encoded.reserveCapacity(values.reduce(0) { $0 + 8 + $1.utf8.count })
        for value in values { encoded += bytes(of: value) }
        return array(of: .string, count: values.count, bytes: encoded)
    }

    public static func floats(_ values: [Float]) -> Self {
        array(of: .float32, count: values.count, bytes: values.withUnsafeBytes { [UInt8]($0) })
    }

    public static func int32s(_ values: [Int32]) -> Self {
        array(of: .int32, count: values.count, bytes: values.withUnsafeBytes { [UInt8]($0) })
    }

    private static func array(of type: GGUFValueType, count: Int, bytes elements: [UInt8]) -> Self {
        Self(.array, bytes(of: type.rawValue) + bytes(of: UInt64(count)) + elements)
    }

    /// A value of another file, copied unchanged.
    init?(_ metadata: GGUFMetadata, _ key: String) {
        guard let encoded = metadata.encoded[key] else { return nil }
        let all = withExtendedLifetime(encoded.owner) { [UInt8](encoded.pointer) }
        let number = all.prefix(4).enumerated().reduce(UInt32(0)) { $0 | UInt32($1.element) << (8 * $1.offset) }
        guard all.count >= 4, let type = GGUFValueType(rawValue: number) else { return nil }
        self.init(type, Array(all.dropFirst(4)))
    }
}
