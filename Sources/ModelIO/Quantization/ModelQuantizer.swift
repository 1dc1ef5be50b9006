public import TensorCore

/// Writes a model as a GGUF file in a number format or a mixture of several.
public struct ModelQuantizer: Sendable {
    /// The plan for one tensor.
    public struct Step: Sendable {
        public let name: String
        /// Row-major.
        public let extents: [Int]
        public let storedType: StoredType
        public let type: StoredType
        /// Bytes before and after.
        public let storedByteCount: Int
        public let byteCount: Int
    }

    /// The progress of the work.
    public struct Progress: Sendable {
        /// The tensor that is worked on.
        public let step: Step
        public let index: Int
        /// Elements of all tensors that are written.
        public let elementCount: Int
    }

    /// In the order of the file.
    public let steps: [Step]
    /// Elements of all tensors.
    public let elementCount: Int
    private let input: QuantizationInput
    private let writer: GGUFWriter

    /// Decides every tensor's format. Reads no weights.
    ///
    /// - Parameter allowsRequantizing: whether tensors in block formats may be converted, which loses more than
    ///   converting the original weights.
    /// - Throws: `QuantizationError`, `LoadError` naming the tensor that cannot be converted.
    public init(_ input: QuantizationInput, type: QuantizationType, allowsRequantizing: Bool = false) throws {
        self.input = input
        let mixture = QuantizationMixture(type: type, sizes: input.sizes)
        var writer = GGUFWriter()
        for (key, value) in input.metadata { writer.set(key, value) }
        if type.isBlocked { writer.set("general.quantization_version", .uint32(2)) }
        writer.set("general.file_type", .uint32(type.fileType))
        var steps: [Step] = []
        for tensor in input.tensors {
            let format = ModelQuantizer.format(of: tensor, mixture, keepsFormats: input.keepsFormats)
            if tensor.storedType.blockSize > 1, tensor.storedType != format, !allowsRequantizing {
                throw QuantizationError.alreadyQuantized(
                    path: input.path, tensor: tensor.name, format: tensor.storedType.rawValue)
            }
            _ = try QuantizationEncoder(tensor, as: format)
            try writer.addTensor(tensor.name, type: format, shape: tensor.shape)
            let elements = tensor.shape.elementCount
            steps.append(
                Step(
                    name: tensor.name, extents: tensor.shape.extents, storedType: tensor.storedType, type: format,
                    storedByteCount: elements / tensor.storedType.blockSize * tensor.storedType.blockByteCount,
                    byteCount: elements / format.blockSize * format.blockByteCount))
        }
        self.writer = writer
        self.steps = steps
        elementCount = input.tensors.reduce(0) { $0 + $1.shape.elementCount }
    }

    private static func format(
        of tensor: QuantizationTensor, _ mixture: QuantizationMixture, keepsFormats: Bool
    ) -> StoredType {
        guard QuantizationMixture.isQuantized(tensor.name, extents: tensor.shape.extents) else {
            return keepsFormats ? tensor.storedType : .float32
        }
        return mixture.format(of: tensor.name, columns: tensor.columns)
    }

    /// Bytes of all tensors before and after.
    public var storedByteCount: Int { steps.reduce(0) { $0 + $1.storedByteCount } }
    public var byteCount: Int { steps.reduce(0) { $0 + $1.byteCount } }

    /// Bits that one weight takes on average in the file.
    public var bitsPerWeight: Double { elementCount > 0 ? Double(byteCount) * 8 / Double(elementCount) : 0 }

    /// Writes the file. What was at `path` is replaced when everything is written. Blocks; uses all cores.
    ///
    /// - Parameters:
    ///   - progress: called before each tensor, and after every few megabytes.
    ///   - isCancelled: asked as often; once it returns true the work stops and nothing is left behind.
    /// - Throws: `QuantizationError.interrupted`, `.outputIsInput`; `LoadError.unwritable`, or `.unrepresentable`
    ///   naming the tensor.
    public func write(
        to path: String, progress: (Progress) throws -> Void = { _ in }, isCancelled: () -> Bool = { false }
    ) throws {
        guard !input.reads(path) else { throw QuantizationError.outputIsInput(path: path) }
        var done = 0
        try writer.write(to: path) { index, write in
            func report() throws {
                guard !isCancelled() else { throw QuantizationError.interrupted(path: path) }
                try progress(Progress(step: steps[index], index: index, elementCount: done))
            }
            try report()
            try QuantizationEncoder(input.tensors[index], as: steps[index].type).encode { bytes, count in
                try write(bytes)
                done += count
                try report()
            }
        }
    }
}
