public import KVCache
public import ModelIO
public import Models
public import TensorCore

/// How large an engine's memory and passes are.
public struct EngineOptions: Sendable, Hashable {
    /// The most tokens of a context; `nil`: what the model was made for, as far as the cache holds it.
    public var contextLength: Int?
    /// The tokens that the paged cache holds over all sequences; `nil`: one context, of at most a gibibyte where
    /// `contextLength` is `nil` too.
    public var cacheTokenCount: Int?
    /// The most tokens of one pass. A longer prompt is computed in chunks of this many.
    public var passTokenCount: Int
    /// The most sequences that run at once; others wait.
    public var sequenceCount: Int
    /// The most sequences that wait for a place. A request beyond them is refused.
    public var queueCapacity: Int
    /// Seconds that a pass may take while answers are being written; prompts advance in chunks that fit. `nil`: prompts
    /// take as many tokens as a pass may have.
    public var passSeconds: Double?
    /// A sample pauses when so many of its tokens wait for its reader, until they are taken.
    public var streamCapacity: Int
    /// The tokens of one block of the cache.
    public var blockSizeInTokens: Int
    /// The number format of weight matrices; `nil`: as they are stored.
    public var weightFormat: WeightFormat?
    /// How exactly matrix products are computed.
    public var precision: MatmulPrecision
    /// Answers have the same bits whatever else runs, however prompts are divided, and with or without the prefix cache.
    /// Implies `precision` `.highest`, and costs the faster kernels for many tokens. A backend that is not a
    /// `RowInvariantBackend` computes one token a pass then.
    public var isDeterministic: Bool
    /// The format of keys and values in the cache: one of `KVCacheLayer.dtypes`. `nil`: as `cacheType(for:)` says.
    public var cacheType: DType?

    public init(
        contextLength: Int? = nil, cacheTokenCount: Int? = nil, passTokenCount: Int = 512, sequenceCount: Int = 1,
        queueCapacity: Int = 1 << 20, passSeconds: Double? = 0.1, streamCapacity: Int = 256,
        blockSizeInTokens: Int = 16, weightFormat: WeightFormat? = nil, precision: MatmulPrecision = .automatic,
        isDeterministic: Bool = false, cacheType: DType? = nil
    ) {
        self.contextLength = contextLength
        self.cacheTokenCount = cacheTokenCount
        self.passTokenCount = passTokenCount
        self.sequenceCount = sequenceCount
        self.queueCapacity = queueCapacity
        self.passSeconds = passSeconds
        self.streamCapacity = streamCapacity
        self.blockSizeInTokens = blockSizeInTokens
        self.weightFormat = weightFormat
        self.precision = precision
        self.isDeterministic = isDeterministic
        self.cacheType = cacheType
    }

    /// - Throws: `InferenceError.invalidParameter` or `.contextTooLong`.
    func validate(maxContextLength: Int) throws {
        func check(_ value: Int, _ name: String, _ range: ClosedRange<Int>) throws {
            guard range.contains(value) else {
                throw InferenceError.invalidParameter(
                    name: name, value: "\(value)",
                    expected: "an integer from \(range.lowerBound) to \(range.upperBound)")
            }
        }
        if let contextLength {
            try check(contextLength, "context length", 1...Int(Int32.max))
            guard contextLength <= maxContextLength else {
                throw InferenceError.contextTooLong(requested: contextLength, maximum: maxContextLength)
            }
        }
        try check(cacheTokenCount ?? 1, "cache size in tokens", 1...Int(Int32.max))
        try check(passTokenCount, "tokens a pass", 1...65_536)
        try check(sequenceCount, "sequences", 1...4096)
        try check(queueCapacity, "queue capacity", 0...1 << 32)
        try check(streamCapacity, "stream capacity", 1...1 << 24)
        if let passSeconds, !(passSeconds > 0 && passSeconds.isFinite) {
            throw InferenceError.invalidParameter(
                name: "seconds a pass", value: "\(passSeconds)", expected: "a number over 0")
        }
        try check(blockSizeInTokens, "block size in tokens", 1...1024)
        if let cacheType, !KVCacheLayer.dtypes.contains(cacheType) {
            throw InferenceError.invalidParameter(
                name: "kv-dtype", value: cacheType.rawValue, expected: "float32, float16, bfloat16 or int8")
        }
    }
}

extension EngineOptions {
    /// The format of the cache of a model with these weights: `cacheType`, or where it is left out FP16 if most of the
    /// matrices are in fewer bits than FP32 and products may round. A model whose weights are exact, and `highest`
    /// precision, keep FP32.
    public func cacheType(for weights: Checkpoint) -> DType {
        if let cacheType { return cacheType }
        guard precision != .highest, !isDeterministic else { return .float32 }
        if let weightFormat { return weightFormat == .float32 ? .float32 : .float16 }
        var (exact, all) = (0.0, 0.0)
        for tensor in weights.tensors.values where tensor.shape.rank > 1 {
            let count = Double(tensor.shape.elementCount)
            all += count
            if tensor.type == .float32 || tensor.type == .float64 { exact += count }
        }
        return 2 * exact >= all ? .float32 : .float16
    }

    /// The cache that an engine allocates for a model with these weights: of one context where a length is asked for,
    /// else as much of the model's as fits a gibibyte, since models for very long contexts would take all memory
    /// otherwise. An encoder-decoder has a context of each of its sides in it.
    public func cacheShape(of model: DecoderDescription, weights: Checkpoint) -> KVCacheShape {
        // The relative positions of T5 are added to FP32 keys.
        let isExact = cacheType == nil && model.source?.hasPositionBias == true
        var shape = KVCacheShape(
            layerCount: model.layerCount, blockCount: 1, headCount: model.keyValueHeadCount, headSize: model.headSize,
            blockSizeInTokens: blockSizeInTokens, dtype: isExact ? .float32 : cacheType(for: weights))
        let fitting = max(shape.blocks(fitting: 1 << 30), 1) * blockSizeInTokens
        let tokens = cacheTokenCount ?? contextLength ?? min(model.maxContextLength, fitting)
        shape.blockCount = (tokens + blockSizeInTokens - 1) / blockSizeInTokens
        if model.source != nil, cacheTokenCount == nil { shape.blockCount *= 2 }
        return shape
    }
}
