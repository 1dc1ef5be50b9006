public import TensorCore

/// The element type of a tensor as a checkpoint stores it, by the name that safetensors or ggml gives it.
public typealias StoredType = NumberFormat

extension StoredType {
    /// The number format that holds the elements without conversion; float64 and integers have none.
    public var weightFormat: WeightFormat? { self == .int8 ? nil : WeightFormat(self) }

    /// Whether the loader can convert elements to float32: floats of 16 bits or more, and the number formats of
    /// weights.
    public var isDecodable: Bool { self == .float64 || weightFormat != nil }
}

/// One named tensor of a checkpoint. Its elements stay where they are in the file.
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

extension StoredTensor {
    /// Whether another tensor has the same elements in the same shape and type.
    public func holdsSame(as other: StoredTensor) -> Bool {
        guard type == other.type, shape == other.shape, bytes.byteCount == other.bytes.byteCount else { return false }
        return bytes.pointer.baseAddress == other.bytes.pointer.baseAddress
            || bytes.pointer.elementsEqual(other.bytes.pointer)
    }

    /// Some rows of a matrix, where they lie.
    /// - Precondition: two dimensions, and rows of whole blocks.
    public func rows(_ range: Range<Int>) -> StoredTensor {
        precondition(shape.rank == 2, "rows of \(name), which has shape \(shape)")
        let byteCount = shape[0] == 0 ? 0 : bytes.byteCount / shape[0]
        let part = bytes.pointer[range.lowerBound * byteCount..<range.upperBound * byteCount]
        return StoredTensor(
            name: name, type: type, shape: [range.count, shape[1]],
            bytes: HostBytes(owner: bytes.owner, pointer: UnsafeRawBufferPointer(rebasing: part)), path: path)
    }

    /// The slices along the first dimension, which lie one behind the other.
    /// - Precondition: at least two dimensions, and rows of whole blocks.
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

    /// The elements of an integer or boolean tensor; `nil` for other types, or where an element does not fit an `Int`.
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
