import ModelIO
import TensorCore

/// What GPT-2's `config.json` says.
struct GPT2Configuration: Sendable {
    let description: DecoderDescription
    let layerNormEpsilon: Float
    let activation: Activation
    /// Divides the scores by `√headSize`.
    let scalesAttention: Bool
    /// Divides the scores of layer `i` by `i + 1` as well.
    let scalesByLayer: Bool
    let tiesHead: Bool
    /// Whether matrices are stored `[K, N]`, as the hub's checkpoints have them; GGUF files have not.
    let storesTransposed: Bool

    init(_ file: ModelConfiguration) throws {
        let geometry = try file.attentionGeometry()
        guard geometry.querySize == geometry.hiddenSize, geometry.keyValueHeadCount == geometry.headCount else {
            throw LoadError.contradiction(
                path: file.path, keys: ["n_embd", "n_head"], reason: "GPT-2's heads must make up its width exactly")
        }
        description = DecoderDescription(
            architecture: file.modelType,
            layerCount: try file.keys.size("n_layer", "num_hidden_layers", maximum: SizeLimit.layers),
            hiddenSize: geometry.hiddenSize, headCount: geometry.headCount,
            keyValueHeadCount: geometry.keyValueHeadCount, headSize: geometry.headSize,
            intermediateSize: try file.keys.optionalSize("n_inner") ?? 4 * geometry.hiddenSize,
            vocabularySize: try file.keys.size("vocab_size", maximum: SizeLimit.vocabulary),
            maxContextLength: try file.keys.size(
                "n_positions", "n_ctx", "max_position_embeddings", maximum: SizeLimit.positions))
        layerNormEpsilon = Float(try file.keys.number("layer_norm_epsilon", in: NumberRange.positive))
        activation = try file.activation("activation_function")
        scalesAttention = try file.keys.flag("scale_attn_weights", default: true)
        scalesByLayer = try file.keys.flag("scale_attn_by_inverse_layer_idx", default: false)
        tiesHead = try file.tiesWordEmbeddings()
        storesTransposed = try file.keys.flag("conv1d_transposed", default: true)
    }

    func attention(layer: Int) -> AttentionParameters {
        var scale = scalesAttention ? 1 / Float(description.headSize).squareRoot() : 1
        if scalesByLayer { scale /= Float(layer + 1) }
        return AttentionParameters(headCount: description.headCount, scale: scale)
    }

    /// The plan of a model with this configuration, which was read from `file`.
    func plan(_ file: ModelConfiguration) -> DecoderPlan {
        DecoderPlan(file, description, prefixes: ["transformer.", ""]) {
            try GPT2Model(configuration: self, weights: $0, target: $1)
        }
    }
}
