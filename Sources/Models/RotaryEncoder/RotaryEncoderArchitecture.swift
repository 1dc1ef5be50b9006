import ModelIO
import TensorCore

/// What makes one encoder with rotary positions and gated feed-forward parts differ from another.
struct RotaryEncoderArchitecture: Sendable {
    enum Order: Sendable {
        /// `h = h + f(norm(h))`, and a norm behind the last layer; the first layer's attention has none, since the
        /// embedding is normalised.
        case normFirst
        /// `h = norm(h + f(h))`
        case normLast
    }

    /// Whose row the head on whole texts reads.
    enum TextPooling: Sendable {
        case firstToken
        case mean
    }

    /// How a layer looks at the text.
    struct Attention: Sendable, Hashable {
        var rope: RopeConfiguration
        /// Tokens to each side that a query sees; `nil`: all.
        var reach: Int?
    }

    var description: EncoderDescription
    var order: Order
    /// A layer each.
    var layers: [Attention]
    var normEpsilon: Float
    var activation: Activation
    /// Of the layer that heads begin with; `nil`: they have none.
    var headActivation: Activation?
    var pooling = TextPooling.firstToken
    var hasNormBias: Bool
    var hasAttentionBias: Bool
    var hasFeedForwardBias: Bool
    var hasHeadBias: Bool
    var hasDecoderBias = true
    /// The first that the checkpoint has.
    var names: [RotaryEncoderNames]

    /// The plan of a model with this architecture, whose configuration `file` is.
    func plan(_ file: ModelConfiguration) -> EncoderPlan {
        EncoderPlan(file, description, prefixes: names.flatMap(\.prefixes) + [""]) {
            try RotaryEncoderModel(self, weights: $0, target: $1)
        }
    }

    /// What all encoders of the kind share of a configuration.
    /// - Parameter segmentCount: rows of the segments' embedding.
    static func description(
        _ file: ModelConfiguration, positionCount: Int, segmentCount: Int, seesWindow: Bool
    ) throws -> EncoderDescription {
        let keys = file.keys
        let hiddenSize = try keys.size("hidden_size", "n_embd")
        let headCount = try keys.size("num_attention_heads", "n_head", maximum: SizeLimit.heads)
        guard hiddenSize % headCount == 0, hiddenSize / headCount <= 256, hiddenSize / headCount % 2 == 0 else {
            throw LoadError.contradiction(
                path: file.path, keys: ["hidden_size", "num_attention_heads"],
                reason: "\(hiddenSize) features do not split into \(headCount) heads of an even size up to 256")
        }
        let task = try EncoderTask(file)
        guard task != .nextSentence else {
            throw LoadError.unsupportedValue(
                path: file.path, key: "architectures", value: file.architectures.first ?? "",
                supported: ["other heads: this model has none for the next sentence"])
        }
        let isClassification = task == .sequenceClassification || task == .tokenClassification
        return EncoderDescription(
            architecture: file.modelType, task: task,
            layerCount: try keys.size("num_hidden_layers", "n_layer", maximum: SizeLimit.layers),
            hiddenSize: hiddenSize, headCount: headCount, headSize: hiddenSize / headCount,
            intermediateSize: try keys.size("intermediate_size", "n_inner"),
            vocabularySize: try keys.size("vocab_size", maximum: SizeLimit.vocabulary), segmentCount: segmentCount,
            positions: .counted, positionCount: positionCount, labels: isClassification ? try file.labels() : [],
            seesWindow: seesWindow)
    }
}

/// What checkpoints call the tensors.
struct RotaryEncoderNames: Sendable {
    /// Prefixes of all but the head's.
    var prefixes: [String]
    var words: String
    var segments: String?
    var embeddingNorm: String
    var layerPrefix: String
    /// Query, key and value: one tensor, or three.
    var projections: [String]
    var attentionOutput: String
    var attentionNorm: String
    /// Gate and up: one tensor, or two.
    var gates: [String]
    var down: String
    var feedForwardNorm: String
    var finalNorm: String?
    /// Of the head's first layer; of the layer on the first token where classification has another.
    var headDense: String
    var headNorm: String
    var pooler: String?
    var decoder: String
    /// Where the decoder's bias may lie.
    var decoderBiases: [String]
    var spans: String
}
