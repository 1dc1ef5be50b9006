public import KVCache
public import TensorCore

/// The sizes of an encoder-decoder that the engine and the command line need.
public struct EncoderDecoderDescription: Sendable, Hashable {
    /// The `model_type` of the configuration.
    public var architecture: String
    public var encoderLayerCount: Int
    public var decoderLayerCount: Int
    /// Features of the residual streams.
    public var hiddenSize: Int
    public var headCount: Int
    /// Elements of a head; all heads together may be wider or narrower than `hiddenSize`.
    public var headSize: Int
    public var intermediateSize: Int
    public var vocabularySize: Int
    /// The token that a target text begins with.
    public var startTokenID: Int?
    /// How tokens of both sides are numbered, and rows of the position embedding; `nil`: any number of tokens.
    public var positions = EncoderDescription.Positions.counted
    public var positionCount: Int?

    /// Rows of the position embedding before that of a text's first token.
    public var positionOffset = 0

    /// Whether the attention of target tokens to each other has a bias by distance.
    public var hasPositionBias = false

    /// Tokens of a text where the model sets no bound.
    public static let usualTokenCount = 2048

    /// The sizes of the decoder, for passes that write target texts.
    public var target: DecoderDescription {
        var sizes = DecoderDescription(
            architecture: architecture, layerCount: decoderLayerCount, hiddenSize: hiddenSize, headCount: headCount,
            keyValueHeadCount: headCount, headSize: headSize, intermediateSize: intermediateSize,
            vocabularySize: vocabularySize,
            maxContextLength: maxTokenCount ?? EncoderDecoderDescription.usualTokenCount)
        sizes.source = self
        return sizes
    }

    /// The row of the position embedding for each token of a text.
    public func rows(ofPositionsOf tokens: [Int]) -> [Int] {
        guard positionCount != nil else { return [Int](repeating: 0, count: tokens.count) }
        return positions.number(tokens).map { $0 + positionOffset }
    }

    /// The row of the position embedding for a token of a target text that is written token by token. Padding that is
    /// written stands at its own place, and is counted for those behind it, as `transformers` does with its cache.
    public func row(ofTarget token: Int, at index: Int) -> Int {
        guard positionCount != nil else { return 0 }
        switch positions {
        case .counted: return index + positionOffset
        case .behindPadding(let id): return (token == id ? id : id + 1 + index) + positionOffset
        }
    }

    /// Tokens of the longest text of either side; `nil`: there is no such limit.
    public var maxTokenCount: Int? {
        switch positions {
        case .counted: positionCount
        case .behindPadding(let id): positionCount.map { max($0 - id - 1, 0) }
        }
    }

    /// Features of all heads.
    public var attentionSize: Int { headCount * headSize }

    /// The scratch that a backend must reserve for passes of this model.
    public func limits(tokenCount: Int, sequenceCount: Int) -> ExecutionLimits {
        ExecutionLimits(
            tokenCount: tokenCount, sequenceCount: sequenceCount, contextLength: 1,
            featureCount: max(3 * attentionSize, hiddenSize, 2 * intermediateSize, vocabularySize),
            matmulInputCount: max(hiddenSize, attentionSize, intermediateSize), headCount: headCount,
            headSize: headSize)
    }
}

/// Source texts and as many target texts in device memory.
///
/// Legend: `S` pairs of texts, `T` source tokens, `U` target tokens.
public struct EncoderDecoderBatch: Sendable {
    public let source: EncoderBatch
    /// Target tokens, each of which sees those before it.
    public let target: EncoderBatch
    /// Target tokens that see all of their source.
    public let crossAttention: EncoderAttentionBatch

    /// - Precondition: as many target texts as source texts.
    public init(source: EncoderBatch, target: EncoderBatch) {
        precondition(source.sequenceCount == target.sequenceCount, "a target text for each source text")
        self.source = source
        self.target = target
        crossAttention = EncoderAttentionBatch(
            queryOffsets: target.attention.queryOffsets, keyRanges: source.attention.keyRanges,
            tokenCount: target.tokenCount, maxQueryCount: target.attention.maxQueryCount,
            maxKeyCount: source.attention.maxKeyCount)
    }
}

/// A model that reads a source text and predicts the tokens of a target text, whose weights lie on a backend.
public protocol EncoderDecoderModel: AnyObject, Sendable {
    var description: EncoderDecoderDescription { get }

    /// Encodes the sources and computes the logits of every target token. Does not block; what is returned is overwritten by
    /// the next call.
    /// - Returns: `logits [U, V]` of `.targets` and `encoder_last_hidden_state [T, D]` of `.tokens`.
    /// - Throws: `BackendError`.
    func forward(_ batch: EncoderDecoderBatch) throws -> [EncoderOutput]

    /// Encodes sources and keeps their keys and values in the cache. Does not block.
    /// - Throws: `BackendError`.
    func encode(_ source: EncoderBatch, into cache: TargetCache) throws

    /// Computes the next token of some target texts whose earlier ones are in the cache. Does not block; what is returned
    /// is overwritten by the next call.
    /// - Returns: logits `[B, V]`.
    /// - Throws: `BackendError`.
    func decode(_ step: TargetStep, _ cache: TargetCache) throws -> Tensor

    /// Encodes sources and stores the keys and values of each decoder layer in the slots of the paged cache, `[T]` int32.
    /// Does not block.
    /// - Throws: `BackendError`.
    func encode(_ source: EncoderBatch, slots: Tensor, into cache: KVCacheStorage) throws

    /// Stores the keys and values of the batch's target tokens, and computes the hidden states of its `logitRows` behind
    /// the last norm. Does not block.
    /// - Returns: `[R, D]`, overwritten by the next call; `nil` where `R` is 0.
    /// - Throws: `BackendError`.
    func targetStates(_ batch: DeviceBatch, cache: KVCacheStorage) throws -> Tensor?

    /// The head: logits `[R, V]` of hidden states. Does not block.
    /// - Throws: `BackendError`.
    func predict(_ states: Tensor, into logits: Tensor) throws
}
