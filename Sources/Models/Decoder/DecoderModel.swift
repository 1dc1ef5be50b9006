public import KVCache
internal import ModelIO
public import TensorCore

/// The sizes of a decoder that the engine, the cache and the command line need.
public struct DecoderDescription: Sendable, Hashable {
    /// The `model_type` of the configuration.
    public var architecture: String
    public var layerCount: Int
    /// Features of the residual stream.
    public var hiddenSize: Int
    /// Query heads, key/value heads, and elements of a head.
    public var headCount: Int
    public var keyValueHeadCount: Int
    public var headSize: Int
    /// The widest hidden layer of the feed-forward part.
    public var intermediateSize: Int
    public var vocabularySize: Int
    /// Tokens of the longest context that the model was made for.
    public var maxContextLength: Int
    /// The widest input or output of an expert's products; 0: there are no experts.
    public var expertFeatureCount = 0
    /// The features inside an expert that all tokens share; 0: there is none.
    public var sharedExpertSize = 0
    /// Experts that a token takes; 0: there are none.
    public var expertsPerToken = 0
    /// For each layer the tokens that a query sees, itself included; `nil`: all. Empty: all of all layers.
    public var slidingWindows: [Int?] = []
    /// The encoder-decoder that this is the decoder of; `nil`: it continues its prompt.
    public var source: EncoderDecoderDescription?

    /// The scratch that a backend must reserve for passes of this model.
    /// - Parameter adapterRank: of adapters that rows take by number; 0: there are none.
    public func limits(
        tokenCount: Int, sequenceCount: Int, contextLength: Int, adapterRank: Int = 0
    ) -> ExecutionLimits {
        let projectionCount = (headCount + 2 * keyValueHeadCount) * headSize
        return ExecutionLimits(
            tokenCount: tokenCount, sequenceCount: sequenceCount, contextLength: contextLength,
            featureCount: max(
                hiddenSize, projectionCount, 2 * intermediateSize, 2 * sharedExpertSize, vocabularySize),
            matmulInputCount: max(hiddenSize, headCount * headSize, intermediateSize, sharedExpertSize),
            headCount: headCount, headSize: headSize,
            expertFeatureCount: adapterRank > 0
                ? max(expertFeatureCount, widestLayer, headCount * headSize, adapterRank) : expertFeatureCount,
            expertsPerToken: max(expertsPerToken, adapterRank > 0 ? 1 : 0))
    }
}

extension DecoderDescription {
    /// The sizes under the keys that configurations share.
    /// - Parameter expansion: how many times the hidden size the feed-forward part is wide where the file does not say;
    ///   `nil`: it must.
    /// - Throws: `LoadError` naming the key that is missing or out of bounds.
    init(_ file: ModelConfiguration, _ geometry: AttentionGeometry, expansion: Int? = nil) throws {
        let keys = file.keys
        let stated = try keys.optionalSize("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size")
        guard let intermediateSize = stated ?? expansion.map({ $0 * geometry.hiddenSize }) else {
            throw keys.missing(["intermediate_size"])
        }
        self.init(
            architecture: file.modelType,
            layerCount: try keys.size("num_hidden_layers", "n_layer", maximum: SizeLimit.layers),
            hiddenSize: geometry.hiddenSize, headCount: geometry.headCount,
            keyValueHeadCount: geometry.keyValueHeadCount, headSize: geometry.headSize,
            intermediateSize: intermediateSize,
            vocabularySize: try keys.size("vocab_size", maximum: SizeLimit.vocabulary),
            maxContextLength: try keys.size(
                "max_position_embeddings", "n_positions", "n_ctx", maximum: SizeLimit.positions))
    }
}

/// A causal language model whose weights lie on a backend.
///
/// Legend: `T` tokens of a pass, `R` rows whose logits are wanted, `V` vocabulary.
public protocol DecoderModel: AnyObject, Sendable {
    var description: DecoderDescription { get }

    /// Stores the keys and values of the batch's tokens and computes the logits of its `logitRows`. Does not block.
    ///
    /// What follows the last layer's keys and values is computed for those rows alone.
    /// - Parameter logits: `[R, V]` float32; not written where `R` is 0.
    func forward(_ batch: DeviceBatch, cache: KVCacheStorage, logits: Tensor) throws

    /// The same up to the head: the hidden states of the batch's `logitRows`, behind the last norm. Does not block.
    /// - Returns: `[R, D]` float32, overwritten by the next call; `nil` where `R` is 0.
    func hiddenStates(_ batch: DeviceBatch, cache: KVCacheStorage) throws -> Tensor?
}

/// How large a pass may become; the model plans its workspace for it.
public struct PassLimits: Sendable, Hashable {
    /// Most tokens of one pass over all sequences.
    public var tokenCount: Int
    /// Most rows whose logits one call may ask for.
    public var logitRowCount: Int
    /// Tokens of the longest context.
    public var contextLength: Int
    /// Tokens whose keys and values are gathered together in the engine's passes of a decoder with a bias by distance.
    public var historyTokenCount: Int

    public init(tokenCount: Int, logitRowCount: Int, contextLength: Int, historyTokenCount: Int = 0) {
        self.tokenCount = tokenCount
        self.logitRowCount = logitRowCount
        self.contextLength = contextLength
        self.historyTokenCount = historyTokenCount
    }
}
