public import TensorCore

/// Writes a GGUF file of version 3, one tensor after another, so that no more of a model is in memory than the caller
/// holds. (docs/gguf.md of https://github.com/ggml-org/ggml)
///
///     var writer = GGUFWriter()
///     writer.set("general.architecture", .string("llama"))
///     try writer.addTensor("output.weight", type: .q8_0, shape: [32_000, 4096])
///     try writer.write(to: "model.gguf") { index, write in try write(bytes) }
public struct GGUFWriter: Sendable {
    /// A tensor that the file will hold.
    public struct TensorEntry: Sendable {
        public let name: String
        public let type: StoredType
        public let shape: Shape
        /// The bytes of the tensor in the file.
        public let byteCount: Int
        let typeNumber: UInt32
    }

    private static let version: UInt32 = 3
    private static let maximumDimensionCount = 4

    /// Tensors start at multiples of this many bytes.
    public let alignment: Int
    public private(set) var tensors: [TensorEntry] = []
    private var keys: [String] = []
    private var values: [String: GGUFEncodedValue] = [:]
    private var names: Set<String> = []

    /// - Precondition: `alignment` is a power of two.
    public init(alignment: Int = 32) {
        precondition(alignment > 0 && alignment.nonzeroBitCount == 1, "alignment \(alignment)")
        self.alignment = alignment
        if alignment != GGUFFile.defaultAlignment { set("general.alignment", .uint32(UInt32(alignment))) }
    }

    /// Adds a key, or changes its value without moving it.
    public mutating func set(_ key: String, _ value: GGUFEncodedValue) {
        if values.updateValue(value, forKey: key) == nil { keys.append(key) }
    }

    /// Adds a tensor behind those that were added before.
    /// - Throws: `LoadError` where the name is taken, the type has no number in GGUF files, there are more than four
    ///   dimensions, or a row is no whole number of blocks.
    public mutating func addTensor(_ name: String, type: StoredType, shape: Shape) throws {
        func refuse(_ reason: String) -> LoadError {
            .unrepresentable(name: printable(name), format: "a GGUF tensor", reason: reason)
        }
        guard !names.contains(name) else { throw refuse("the name is taken") }
        guard let number = type.ggufType else { throw refuse("\(type.rawValue) has no number there") }
        guard shape.rank <= GGUFWriter.maximumDimensionCount else {
            throw refuse("\(shape.rank) dimensions are more than \(GGUFWriter.maximumDimensionCount)")
        }
        let columns = shape.extents.last ?? 1
        guard columns % type.blockSize == 0 else {
            throw refuse("rows of \(columns) elements are no whole \(type.rawValue) blocks of \(type.blockSize)")
        }
        let (byteCount, overflow) = (shape.elementCount / type.blockSize)
            .multipliedReportingOverflow(by: type.blockByteCount)
        guard !overflow else { throw refuse("\(shape) takes more bytes than any file holds") }
        names.insert(name)
        tensors.append(TensorEntry(name: name, type: type, shape: shape, byteCount: byteCount, typeNumber: number))
    }

    /// Writes the file under no or a temporary name beside `path` and renames it, so that readers see a whole file or
    /// none. Blocks until the bytes are on the disk.
    ///
    /// - Parameter produce: called for each tensor in order with its index and a function that writes bytes; it must
    ///   write exactly the tensor's `byteCount`, in as many pieces as it likes.
    /// - Throws: `LoadError.unwritable` naming the path, or what `produce` throws; nothing is left behind.
    public func write(
        to path: String, _ produce: (Int, (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws {
        let header = self.header
        let total = tensors.reduce(header.count) { $0 + padded($1.byteCount) }
        try AtomicFile.write(to: path, byteCount: total) { output in
            try header.withUnsafeBytes { try output.write($0) }
            for (index, tensor) in tensors.enumerated() {
                var written = 0
                try produce(index) { bytes in
                    try output.write(bytes)
                    written += bytes.count
                }
                precondition(
                    written == tensor.byteCount, "\(tensor.name): \(written) of \(tensor.byteCount) bytes written")
                let zeros = [UInt8](repeating: 0, count: padded(written) - written)
                try zeros.withUnsafeBytes { try output.write($0) }
            }
        }
    }

    private func padded(_ byteCount: Int) -> Int { (byteCount + alignment - 1) / alignment * alignment }

    /// Everything before the tensors' bytes, padded to the alignment.
    private var header: [UInt8] {
        var bytes = GGUFFile.magic + GGUFEncodedValue.bytes(of: GGUFWriter.version)
        bytes += GGUFEncodedValue.bytes(of: UInt64(tensors.count))
        bytes += GGUFEncodedValue.bytes(of: UInt64(keys.count))
        for key in keys {
            guard let value = values[key] else { continue }
            bytes += GGUFEncodedValue.bytes(of: key) + GGUFEncodedValue.bytes(of: value.type.rawValue)
            bytes += value.bytes
        }
        var offset = 0
        for tensor in tensors {
            bytes += GGUFEncodedValue.bytes(of: tensor.name)
            bytes += GGUFEncodedValue.bytes(of: UInt32(tensor.shape.rank))
            // The file lists dimensions from the innermost one.
            for extent in tensor.shape.extents.reversed() { bytes += GGUFEncodedValue.bytes(of: UInt64(extent)) }
            bytes += GGUFEncodedValue.bytes(of: tensor.typeNumber) + GGUFEncodedValue.bytes(of: UInt64(offset))
            offset += padded(tensor.byteCount)
        }
        return bytes + [UInt8](repeating: 0, count: padded(bytes.count) - bytes.count)
    }
}
