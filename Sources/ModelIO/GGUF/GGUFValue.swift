public import TensorCore

/// The kinds of metadata values, by their number in the file.
public enum GGUFValueType: UInt32, Sendable, Hashable, CaseIterable {
    case uint8 = 0
    case int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

    /// Bytes of one value; `nil` where values differ in length.
    var byteCount: Int? {
        switch self {
        case .uint8, .int8, .bool: 1
        case .uint16, .int16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        case .string, .array: nil
        }
    }

    /// The fewest bytes that one value takes: of a string its length, of an array type and count.
    var minimumByteCount: Int { byteCount ?? (self == .string ? 8 : 12) }
}

/// One value of a GGUF file's metadata.
public enum GGUFValue: Sendable {
    case integer(Int)
    /// An unsigned integer that does not fit an `Int`.
    case unsigned(UInt64)
    case real(Double)
    case bool(Bool)
    case string(String)
    case array(GGUFArray)

    /// The value in words for an error.
    var summary: String {
        switch self {
        case .integer(let value): "\(value)"
        case .unsigned(let value): "\(value)"
        case .real(let value): "\(value)"
        case .bool(let value): "\(value)"
        case .string(let value): "\"\(printable(value, limit: 40))\""
        case .array(let array): "an array of \(array.count) \(array.elementType)s"
        }
    }
}

/// An array of a GGUF file's metadata, which is decoded only when asked for: a vocabulary has hundreds of thousands of
/// strings.
public struct GGUFArray: Sendable {
    public let elementType: GGUFValueType
    public let count: Int
    /// The elements as they lie in the file; their lengths have been checked.
    public let bytes: HostBytes
    let path: String

    /// Calls `body` with the bytes of each string, in order; not at all where the elements are not strings.
    public func forEachString(_ body: (UnsafeBufferPointer<UInt8>) throws -> Void) throws {
        guard elementType == .string else { return }
        try withExtendedLifetime(bytes.owner) {
            var cursor = GGUFCursor(bytes.pointer, path: path)
            for index in 0..<count {
                // Lengths are checked again, since another process may have written to the file.
                let range = try cursor.string("string \(index) of an array")
                try cursor.slice(range).withMemoryRebound(to: UInt8.self) { try body($0) }
            }
        }
    }

    /// The elements of an array of integers or booleans; `nil` for any other, or where one does not fit an `Int`.
    public func integers() -> [Int]? {
        switch elementType {
        case .uint8, .bool: decode(UInt8.self) { Int($0) }
        case .int8: decode(Int8.self) { Int($0) }
        case .uint16: decode(UInt16.self) { Int($0) }
        case .int16: decode(Int16.self) { Int($0) }
        case .uint32: decode(UInt32.self) { Int($0) }
        case .int32: decode(Int32.self) { Int($0) }
        case .uint64: decode(UInt64.self) { Int(exactly: $0) }
        case .int64: decode(Int64.self) { Int($0) }
        case .float32, .float64, .string, .array: nil
        }
    }

    /// The elements of an array of numbers; `nil` for any other.
    public func numbers() -> [Double]? {
        switch elementType {
        case .float32: decode(UInt32.self) { Double(Float(bitPattern: $0)) }
        case .float64: decode(UInt64.self) { Double(bitPattern: $0) }
        default: integers()?.map(Double.init)
        }
    }

    private func decode<Element: FixedWidthInteger, Value>(
        _: Element.Type, _ convert: (Element) -> Value?
    ) -> [Value]? {
        withExtendedLifetime(bytes.owner) {
            var values: [Value] = []
            values.reserveCapacity(count)
            for index in 0..<count {
                let element = bytes.pointer.loadUnaligned(
                    fromByteOffset: index * MemoryLayout<Element>.size, as: Element.self)
                guard let value = convert(Element(littleEndian: element)) else { return nil }
                values.append(value)
            }
            return values
        }
    }
}
