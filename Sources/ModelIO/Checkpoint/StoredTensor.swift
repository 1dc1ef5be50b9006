public import TensorCore

/// The element type of a tensor as a checkpoint stores it, by the name that safetensors or ggml gives it.
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
    // The block formats of GGUF: a block of elements shares its scales.
    case q4_0 = "Q4_0"
    case q4_1 = "Q4_1"
    case q5_0 = "Q5_0"
    case q5_1 = "Q5_1"
    case q8_0 = "Q8_0"
    case q8_1 = "Q8_1"
    case q2_K = "Q2_K"
    case q3_K = "Q3_K"
    case q4_K = "Q4_K"
    case q5_K = "Q5_K"
    case q6_K = "Q6_K"
    case q8_K = "Q8_K"
    case iq1_S = "IQ1_S"
    case iq1_M = "IQ1_M"
    case iq2_XXS = "IQ2_XXS"
    case iq2_XS = "IQ2_XS"
    case iq2_S = "IQ2_S"
    case iq3_XXS = "IQ3_XXS"
    case iq3_S = "IQ3_S"
    case iq4_NL = "IQ4_NL"
    case iq4_XS = "IQ4_XS"
    case tq1_0 = "TQ1_0"
    case tq2_0 = "TQ2_0"
    case mxfp4 = "MXFP4"

    /// Elements that are stored together and share their scales: 1 but for block formats.
    public var blockSize: Int {
        switch self {
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q8_1, .iq4_NL, .mxfp4: 32
        case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K, .q8_K, .iq1_S, .iq1_M, .iq2_XXS, .iq2_XS, .iq2_S, .iq3_XXS, .iq3_S,
            .iq4_XS, .tq1_0, .tq2_0:
            256
        default: 1
        }
    }

    /// Bytes that one element takes; in block formats, those of one block.
    public var byteCount: Int {
        switch self {
        case .mxfp4: 17
        case .q4_0, .iq4_NL: 18
        case .q4_1: 20
        case .q5_0: 22
        case .q5_1: 24
        case .q8_0: 34
        case .q8_1: 36
        case .iq1_S: 50
        case .tq1_0: 54
        case .iq1_M: 56
        case .iq2_XXS, .tq2_0: 66
        case .iq2_XS: 74
        case .iq2_S: 82
        case .q2_K: 84
        case .iq3_XXS: 98
        case .q3_K, .iq3_S: 110
        case .iq4_XS: 136
        case .q4_K: 144
        case .q5_K: 176
        case .q6_K: 210
        case .q8_K: 292
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
        default: nil
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
        case .q8_0: .q8_0
        case .q4_0: .q4_0
        case .q4_1: .q4_1
        case .q5_0: .q5_0
        case .q5_1: .q5_1
        case .q2_K: .q2_K
        case .q3_K: .q3_K
        case .q4_K: .q4_K
        case .q5_K: .q5_K
        case .q6_K: .q6_K
        case .iq4_NL: .iq4_NL
        case .iq4_XS: .iq4_XS
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
    /// Whether the loader turns elements into float32: floats of 16 bits or more, and the formats of weights.
    public var isDecodable: Bool { self == .float64 || weightFormat != nil }
}

extension StoredTensor {
    /// The tensors that lie one behind the other in this one, one for each index of the first extent.
    /// - Precondition: at least two extents, and rows of whole blocks.
    public func slices() -> [StoredTensor] {
        precondition(shape.rank > 1, "slices of \(name), which has shape \(shape)")
        let count = shape[0]
        let byteCount = count == 0 ? 0 : bytes.byteCount / count
        return (0..<count).map { index in
            let range = index * byteCount..<(index + 1) * byteCount
            return StoredTensor(
                name: name, type: type, shape: Shape(Array(shape.extents.dropFirst())),
                bytes: HostBytes(
                    owner: bytes.owner, pointer: UnsafeRawBufferPointer(rebasing: bytes.pointer[range])), path: path)
        }
    }

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
