import Glibc
import ModelIO
import TensorCore

/// What T5's `config.json` says.
struct T5Configuration: Sendable {
    let description: EncoderDecoderDescription
    let epsilon: Float
    let activation: Activation
    /// Whether the feed-forward part has a gate.
    let isGated: Bool
    let buckets: RelativeBuckets
    /// What the decoder's last states are multiplied by.
    let outputScale: Float

    init(_ file: ModelConfiguration) throws {
        let keys = file.keys
        if let name = file.architectures.first, !name.hasSuffix("ForConditionalGeneration") {
            throw LoadError.unsupportedValue(
                path: file.path, key: "architectures", value: name, supported: ["…ForConditionalGeneration"])
        }
        let hiddenSize = try keys.size("d_model", "hidden_size")
        let layerCount = try keys.size("num_layers", "num_hidden_layers", maximum: SizeLimit.layers)
        var sizes = EncoderDecoderDescription(
            architecture: file.modelType, encoderLayerCount: layerCount,
            decoderLayerCount: try keys.optionalSize("num_decoder_layers", maximum: SizeLimit.layers) ?? layerCount,
            hiddenSize: hiddenSize,
            headCount: try keys.size("num_heads", "num_attention_heads", maximum: SizeLimit.heads),
            headSize: try keys.size("d_kv", maximum: T5Configuration.maximumHeadSize),
            intermediateSize: try keys.size("d_ff", "intermediate_size"),
            vocabularySize: try keys.size("vocab_size", maximum: SizeLimit.vocabulary),
            startTokenID: try keys.optionalInteger("decoder_start_token_id", in: 0...SizeLimit.vocabulary))
        sizes.hasPositionBias = true
        description = sizes
        guard description.attentionSize <= SizeLimit.width else {
            throw LoadError.contradiction(
                path: file.path, keys: ["num_heads", "d_kv"], reason: "more than \(SizeLimit.width) features")
        }
        epsilon = Float(try keys.optionalNumber("layer_norm_epsilon", in: NumberRange.positive) ?? 1e-6)
        (activation, isGated) = try T5Configuration.feedForward(file)
        buckets = try RelativeBuckets(file)
        guard description.headCount <= T5Configuration.maximumBiasCount / (2 * buckets.maximum + 1) else {
            throw LoadError.contradiction(
                path: file.path, keys: ["num_heads", "relative_attention_max_distance"],
                reason: "biases of \(description.headCount) heads for distances to \(buckets.maximum) are too many")
        }
        // Where the file does not say, a T5 scales whose head is its embedding. The head of mT5 is always its own.
        let isScaled =
            try file.modelType != "mt5"
            && keys.flag("scale_decoder_outputs", default: file.tiesWordEmbeddings())
        outputScale = isScaled ? 1 / Float(hiddenSize).squareRoot() : 1
    }

    /// What the attention kernels take.
    private static let maximumHeadSize = 256
    /// Elements of a table of biases.
    private static let maximumBiasCount = 1 << 26

    /// `feed_forward_proj`: a nonlinearity, behind `gated-` where it is a gate's. The gated GELU is the new one.
    private static func feedForward(_ file: ModelConfiguration) throws -> (Activation, isGated: Bool) {
        let key = "feed_forward_proj"
        let known: [String: (Activation, isGated: Bool)] = [
            "relu": (.relu, false), "gelu": (.geluErf, false), "gelu_new": (.geluTanh, false), "silu": (.silu, false),
            "gated-gelu": (.geluTanh, true), "gated-silu": (.silu, true), "gated-relu": (.relu, true),
        ]
        let name = try file.keys.optionalString(key) ?? "relu"
        guard let found = known[name] else {
            throw LoadError.unsupportedValue(path: file.path, key: key, value: name, supported: known.keys.sorted())
        }
        return found
    }

    /// The plan of a model with this configuration, which was read from `file`.
    func plan(_ file: ModelConfiguration) -> EncoderDecoderPlan {
        EncoderDecoderPlan(file, description, prefixes: [""]) {
            let model = try T5Model(configuration: self, weights: $0, target: $1)
            try $1.adapters?.requireAllUsed()
            return model
        }
    }
}

/// How distances between tokens share entries of the learned bias: each small one has its own, greater ones share by their
/// logarithm, and from `maximum` on all have the last. (Raffel et al., 2020; `_relative_position_bucket` of transformers)
struct RelativeBuckets: Sendable {
    let count: Int
    let maximum: Int

    init(_ file: ModelConfiguration) throws {
        let countKey = "relative_attention_num_buckets"
        let maximumKey = "relative_attention_max_distance"
        count = try file.keys.optionalSize(countKey, maximum: RelativeBuckets.limit) ?? 32
        maximum = try file.keys.optionalSize(maximumKey, maximum: RelativeBuckets.limit) ?? 128
        guard count >= 4, count % 4 == 0, maximum > count / 2 else {
            throw LoadError.contradiction(
                path: file.path, keys: [countKey, maximumKey],
                reason: "\(count) buckets for distances to \(maximum); expected a multiple of 4, and farther than half")
        }
    }

    private static let limit = 1 << 16

    /// The entry of a key that stands `distance` behind its query.
    /// - Parameter isBidirectional: whether keys behind the query have entries of their own, as in encoders.
    func bucket(_ distance: Int, isBidirectional: Bool) -> Int {
        let half = isBidirectional ? count / 2 : count
        let base = isBidirectional && distance > 0 ? half : 0
        let size = isBidirectional ? abs(distance) : max(-distance, 0)
        let exact = half / 2
        guard size >= exact else { return base + size }
        // In float32, as the models were trained.
        let logarithm = logf(Float(size) / Float(exact)) / logf(Float(maximum) / Float(exact))
        return base + min(exact + Int(logarithm * Float(half - exact)), half - 1)
    }

    /// The bias of every distance that kernels tell apart, `[H, 2 maximum + 1]`.
    /// - Parameter weights: `[count, H]`, what the model learned.
    func table(_ weights: [Float], headCount: Int, isBidirectional: Bool) -> [Float] {
        let buckets = (-maximum...maximum).map { bucket($0, isBidirectional: isBidirectional) }
        return (0..<headCount).flatMap { head in buckets.map { weights[$0 * headCount + head] } }
    }
}
