/// A device that runs the ops of neural networks.
///
/// Ops enqueue and return; only `read`, `write` and `synchronize()` (and making buffers and weights, which happens while a
/// model loads) may block. Ops never allocate: outputs are given, and scratch is reserved once with `reserve(_:)`.
/// Enqueued ops run in order. Shapes that do not fit throw `BackendError` before anything is enqueued.
///
/// A backend is used by one thread at a time (the engine's executor); `Sendable` lets it be handed there.
public protocol Backend: MatmulOps, NormOps, ActivationOps, RopeOps, EmbeddingOps, AttentionOps, CacheOps, ExpertOps,
    SelectionOps, ConvolutionOps, PoolingOps, ImageOps
{
    /// One line for people: backend, device, what it uses.
    var summary: String { get }
    /// What the backend can do at most.
    var capabilities: BackendCapabilities { get }
    /// Exact counts of what was enqueued and moved since the backend was made.
    var counters: BackendCounters { get }

    /// Uninitialised device memory.
    /// - Throws: `BackendError.outOfMemory`.
    func makeBuffer(byteCount: Int) throws -> any DeviceBuffer

    /// Prepares a weight for products of the given precision; bytes that were copied are discarded from host memory.
    /// Blocks.
    func prepare(_ source: WeightSource, precision: MatmulPrecision) throws -> any Weight

    /// Reserves the scratch memory that ops within `limits` need. Called once, before the first op; a later call with
    /// larger limits grows it.
    func reserve(_ limits: ExecutionLimits) throws

    /// Copies host bytes to a contiguous tensor. Ops enqueued before see the old contents, ops after the new ones. `bytes`
    /// may be reused when the call returns.
    func write(_ bytes: UnsafeRawBufferPointer, to tensor: Tensor) throws

    /// Waits, once, for every enqueued op and copies the tensors' elements (rows packed) to the host.
    /// - Throws: `BackendError`; `.invalidArgument`, having copied nothing, where a destination has another size.
    func read(_ transfers: [HostTransfer]) throws

    /// The barrier: returns when every enqueued op has finished, and throws what went wrong in any of them.
    func synchronize() throws

    /// Starts or stops collecting a profile. On a device that profiles with events this slows it a little.
    func setProfiling(_ enabled: Bool)
    /// What was collected since profiling was enabled, costliest first. Synchronizes.
    func profile() throws -> [ProfileEntry]
}

/// What a backend can do at most. Arguments beyond are refused before anything is enqueued.
public struct BackendCapabilities: Sendable, Hashable {
    /// The largest `count` that `topK` takes.
    public var maxTopK: Int
    /// The most elements of a head in attention and in the cache.
    public var maxHeadSize: Int

    public init(maxTopK: Int, maxHeadSize: Int) {
        self.maxTopK = maxTopK
        self.maxHeadSize = maxHeadSize
    }
}

/// Where on the host a tensor's elements go.
public struct HostTransfer {
    public let tensor: Tensor
    /// As many bytes as the tensor's elements take.
    public let bytes: UnsafeMutableRawBufferPointer

    public init(_ tensor: Tensor, into bytes: UnsafeMutableRawBufferPointer) {
        self.tensor = tensor
        self.bytes = bytes
    }
}

/// Upper bounds that an engine promises to keep, so that backends can reserve scratch once.
public struct ExecutionLimits: Sendable, Hashable {
    /// `T`: tokens of one pass over all sequences.
    public var tokenCount: Int
    /// `S`: sequences of one pass.
    public var sequenceCount: Int
    /// Tokens of the longest context.
    public var contextLength: Int
    /// The widest row any op reads or writes (features, or vocabulary).
    public var featureCount: Int
    /// The widest input of any matrix product (`K`).
    public var matmulInputCount: Int
    /// Query heads, and elements of a head.
    public var headCount: Int
    public var headSize: Int
    /// The widest input or output of an expert's matrix product; 0: there are no experts.
    public var expertFeatureCount: Int
    /// `J`: experts that a token takes; 0: there are none.
    public var expertsPerToken: Int
    /// Every matrix product is of whole texts, so that a backend may lay out weights for many rows; products of single
    /// tokens may then be slower.
    public var readsWholeTexts: Bool

    public init(
        tokenCount: Int, sequenceCount: Int, contextLength: Int, featureCount: Int, matmulInputCount: Int,
        headCount: Int, headSize: Int, expertFeatureCount: Int = 0, expertsPerToken: Int = 0,
        readsWholeTexts: Bool = false
    ) {
        self.tokenCount = tokenCount
        self.sequenceCount = sequenceCount
        self.contextLength = contextLength
        self.featureCount = featureCount
        self.matmulInputCount = matmulInputCount
        self.headCount = headCount
        self.headSize = headSize
        self.expertFeatureCount = expertFeatureCount
        self.expertsPerToken = expertsPerToken
        self.readsWholeTexts = readsWholeTexts
    }

    /// The larger of each bound.
    package func union(_ other: ExecutionLimits) -> ExecutionLimits {
        ExecutionLimits(
            tokenCount: max(tokenCount, other.tokenCount), sequenceCount: max(sequenceCount, other.sequenceCount),
            contextLength: max(contextLength, other.contextLength), featureCount: max(featureCount, other.featureCount),
            matmulInputCount: max(matmulInputCount, other.matmulInputCount),
            headCount: max(headCount, other.headCount), headSize: max(headSize, other.headSize),
            expertFeatureCount: max(expertFeatureCount, other.expertFeatureCount),
            expertsPerToken: max(expertsPerToken, other.expertsPerToken),
            readsWholeTexts: readsWholeTexts && other.readsWholeTexts)
    }
}

/// Exact counts; two runs of the same work on the same device give the same numbers.
public struct BackendCounters: Sendable, Hashable {
    public var launches = 0
    /// Times the host waited for the device: each `synchronize()`, and each `read` of any number of tensors.
    public var synchronizations = 0
    public var allocations = 0
    public var bytesWritten = 0
    public var bytesRead = 0
    public var programBuilds = 0

    public init() {}
}

/// One line of a profile: all launches of one kernel.
public struct ProfileEntry: Sendable, Hashable {
    public var kernel: String
    public var launches: Int
    public var seconds: Double
    /// Bytes that the op must move (each operand once), summed over the launches.
    public var byteCount: Int
    /// Floating-point operations, a multiply-add counting two.
    public var flopCount: Int

    public init(kernel: String, launches: Int = 0, seconds: Double = 0, byteCount: Int = 0, flopCount: Int = 0) {
        self.kernel = kernel
        self.launches = launches
        self.seconds = seconds
        self.byteCount = byteCount
        self.flopCount = flopCount
    }
}

extension Backend {
    /// Prepares a weight for products with FP32 activations. Blocks.
    public func prepare(_ source: WeightSource) throws -> any Weight { try prepare(source, precision: .highest) }

    /// A new contiguous tensor in memory of its own.
    public func makeTensor(_ dtype: DType, _ shape: Shape) throws -> Tensor {
        let (byteCount, overflow) = shape.elementCount.multipliedReportingOverflow(by: dtype.byteCount)
        guard !overflow else { throw BackendError.outOfMemory(requestedByteCount: .max, device: summary) }
        return Tensor(buffer: try makeBuffer(byteCount: byteCount), dtype: dtype, shape: shape)
    }

    /// A new float32 tensor with `values`.
    public func makeTensor(_ values: [Float], _ shape: Shape) throws -> Tensor {
        precondition(values.count == shape.elementCount, "\(values.count) values for shape \(shape)")
        let tensor = try makeTensor(.float32, shape)
        try values.withUnsafeBytes { try write($0, to: tensor) }
        return tensor
    }

    /// A new int32 tensor with `values`.
    public func makeTensor(_ values: [Int32], _ shape: Shape) throws -> Tensor {
        precondition(values.count == shape.elementCount, "\(values.count) values for shape \(shape)")
        let tensor = try makeTensor(.int32, shape)
        try values.withUnsafeBytes { try write($0, to: tensor) }
        return tensor
    }

    /// Waits for every enqueued op and copies a tensor's elements (rows packed) to the host.
    public func read(_ tensor: Tensor, into bytes: UnsafeMutableRawBufferPointer) throws {
        try read([HostTransfer(tensor, into: bytes)])
    }

    /// What `topK` left: float32 values and int32 indices, having waited once. Blocks.
    public func readTopK(values: Tensor, indices: Tensor) throws -> (values: [Float], indices: [Int32]) {
        precondition(values.dtype == .float32 && indices.dtype == .int32, "top k in \(values.dtype), \(indices.dtype)")
        var hostValues = [Float](repeating: 0, count: values.shape.elementCount)
        var hostIndices = [Int32](repeating: 0, count: indices.shape.elementCount)
        try hostValues.withUnsafeMutableBytes { valueBytes in
            try hostIndices.withUnsafeMutableBytes { indexBytes in
                try read([HostTransfer(values, into: valueBytes), HostTransfer(indices, into: indexBytes)])
            }
        }
        return (hostValues, hostIndices)
    }

    /// A float32 tensor's elements. Blocks.
    public func readFloats(_ tensor: Tensor) throws -> [Float] {
        precondition(tensor.dtype == .float32, "readFloats of \(tensor.dtype)")
        var values = [Float](repeating: 0, count: tensor.shape.elementCount)
        try values.withUnsafeMutableBytes { try read(tensor, into: $0) }
        return values
    }

    /// An int32 tensor's elements. Blocks.
    public func readInt32s(_ tensor: Tensor) throws -> [Int32] {
        precondition(tensor.dtype == .int32, "readInt32s of \(tensor.dtype)")
        var values = [Int32](repeating: 0, count: tensor.shape.elementCount)
        try values.withUnsafeMutableBytes { try read(tensor, into: $0) }
        return values
    }
}
