public import TensorCore

/// The element type of a tensor as a checkpoint stores it, by the name that safetensors gives it.
public enum StoredType: String, Sendable, Hashable, CaseIterable {
    case float64 = "F64"
    case float32 = "F32"
    case float16 = "F16"
    case bfloat16 = "BF16"
    case int64 = "I64"
    case int32 = "I32"
    case int16 = "I16"
    case int8 = "I8"
    case uint64 = "U64"
    case uint32 = "U32"
    case uint16 = "U16"
    case uint8 = "U8"
    case bool = "BOOL"
    case float8e4m3 = "F8_E4M3"
    case float8e5m2 = "F8_E5M2"
    case float8e8m0 = "F8_E8M0"
    case complex64 = "C64"

    /// Bytes that one element takes.
    public var byteCount: Int {
        switch self {
        case .float64, .int64, .uint64, .complex64: 8
        case .float32, .int32, .uint32: 4
        case .float16, .bfloat16, .int16, .uint16: 2
        case .int8, .uint8, .bool, .float8e4m3, .float8e5m2, .float8e8m0: 1
        }
    }

    /// The type that tensors of the engine use, or `nil` where they have none for it.
    public var dtype: DType? {
        switch self {
        case .float64: .float64
        case .float32: .float32
        case .float16: .float16
        case .bfloat16: .bfloat16
        case .int64: .int64
        case .int32: .int32
        case .int16: .int16
        case .int8: .int8
        case .uint8: .uint8
        case .bool: .bool
        case .uint64, .uint32, .uint16, .float8e4m3, .float8e5m2, .float8e8m0, .complex64: nil
        }
    }

    public init?(_ dtype: DType) {
        guard let type = StoredType.allCases.first(where: { $0.dtype == dtype }) else { return nil }
        self = type
    }

    /// The weight format that holds the elements as they are; float64 and integers have none.
    public var weightFormat: WeightFormat? {
        switch self {
        case .float32: .float32
        case .float16: .float16
        case .bfloat16: .bfloat16
        default: nil
        }
    }
}

/// One named tensor of a checkpoint, its elements where they lie in the file.
public struct StoredTensor: Sendable {
    public let name: String
    public let type: StoredType
    public let shape: Shape
    /// Packed elements in row-major order, little-endian; not always aligned to the element.
    public let bytes: HostBytes
    /// The file that holds it, for errors.
    public let path: String

    public init(name: String, type: StoredType, shape: Shape, bytes: HostBytes, path: String) {
        self.name = name
        self.type = type
        self.shape = shape
        self.bytes = bytes
        self.path = path
    }
}

extension StoredType {
    /// Whether elements are floats of 16 bits or more, which the loader converts between.
    public var isFloat: Bool {
        switch self {
        case .float64, .float32, .float16, .bfloat16: true
        default: false
        }
    }
}

extension StoredTensor {
    /// The elements of an integer or boolean tensor, or `nil` where it holds others or one does not fit an `Int`.
    public func integers() -> [Int]? {
        func read<Element: FixedWidthInteger>(_: Element.Type) -> [Int]? {
            var values: [Int] = []
            values.reserveCapacity(shape.elementCount)
            for index in 0..<shape.elementCount {
                let element = bytes.pointer.loadUnaligned(
                    fromByteOffset: index * MemoryLayout<Element>.size, as: Element.self)
                guard let value = Int(exactly: Element(littleEndian: element)) else { return nil }
                values.append(value)
            }
            return values
        }
        return withExtendedLifetime(bytes.owner) {
            switch type {
            case .int64: read(Int64.self)
            case .int32: read(Int32.self)
            case .int16: read(Int16.self)
            case .int8: read(Int8.self)
            case .uint64: read(UInt64.self)
            case .uint32: read(UInt32.self)
            case .uint16: read(UInt16.self)
            case .uint8, .bool: read(UInt8.self)
            default: nil
            }
        }
    }
}
