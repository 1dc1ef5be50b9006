import ModelIO
import TensorCore

/// What GPT-NeoX's `config.json` says.
struct GPTNeoXConfiguration: Sendable {
    let description: DecoderDescription
    let layerNormEpsilon: Float
    let activation: Activation
    let rope: RopeConfiguration
    /// Whether attention and feed-forward part read the same residual stream, and both are added to it.
    let hasParallelResidual: Bool
    /// Biases of query, key, value and of the attention's output.
    let hasAttentionBias: Bool
    /// Whether the rows of query, key and value are stored head by head, as the hub's checkpoints have them; GGUF files
    /// have all queries first.
    let storesHeadsTogether: Bool
    let tiesHead: Bool

    init(_ file: ModelConfiguration) throws {
        let geometry = try file.attentionGeometry()
        guard geometry.querySize == geometry.hiddenSize, geometry.keyValueHeadCount == geometry.headCount else {
            throw LoadError.contradiction(
                path: file.path, keys: ["hidden_size", "num_attention_heads"],
                reason: "GPT-NeoX's heads must make up its width exactly")
        }
        description = try DecoderDescription(file, geometry)
        layerNormEpsilon = Float(try file.keys.number("layer_norm_eps", in: NumberRange.positive))
        activation = try file.activation("hidden_act")
        rope = try file.rope(headSize: geometry.headSize)
        hasParallelResidual = try file.keys.flag("use_parallel_residual", default: true)
        hasAttentionBias = try file.keys.flag("attention_bias", default: true)
        storesHeadsTogether = try file.keys.flag("heads_stored_together", default: true)
        tiesHead = try file.tiesWordEmbeddings()
    }

    var attention: AttentionParameters {
        AttentionParameters(
            headCount: description.headCount, scale: 1 / Float(description.headSize).squareRoot())
    }

    /// The plan of a model with this configuration, which was read from `file`.
    func plan(_ file: ModelConfiguration) -> DecoderPlan {
        DecoderPlan(file, description, prefixes: ["gpt_neox.", ""]) {
            try GPTNeoXModel(configuration: self, weights: $0, target: $1)
        }
    }
}
