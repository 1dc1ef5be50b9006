import ModelIO
import TensorCore

extension RotaryEncoderArchitecture {
    /// ModernBERT (Warner et al., 2024): most layers see a window of tokens to both sides, every third all of them, each
    /// kind with rotary angles of its own.
    ///
    ///     h = norm(word[id])
    ///     each layer:  h = h + out(attention(rope(qkv(norm(h)))));  a, b = up(norm(h));  h = h + down(gelu(a) * b)
    ///     states = norm(h);  heads: classifier(norm(gelu(dense(states))))
    ///
    /// The first layer's attention reads `h` as it is.
    static func modernBert(_ file: ModelConfiguration) throws -> RotaryEncoderArchitecture {
        let keys = file.keys
        let layerCount = try keys.size("num_hidden_layers", maximum: SizeLimit.layers)
        let period = try keys.optionalSize("global_attn_every_n_layers", maximum: SizeLimit.layers) ?? 3
        let isLocal =
            try file.slidingLayers(layerCount: layerCount) ?? (0..<layerCount).map { $0 % period != 0 }
        // The file counts the tokens on both sides together.
        let window = try keys.optionalSize("local_attention", maximum: SizeLimit.positions) ?? 128
        let description = try description(
            file, positionCount: try keys.optionalSize("max_position_embeddings", maximum: SizeLimit.positions) ?? 8192,
            segmentCount: 0, seesWindow: isLocal.contains(true))
        let (global, local) = try modernBertRopes(file, headSize: description.headSize)
        let pooling = try keys.optionalString("classifier_pooling") ?? "cls"
        guard ["cls", "mean"].contains(pooling) else {
            throw LoadError.unsupportedValue(
                path: file.path, key: "classifier_pooling", value: pooling, supported: ["cls", "mean"])
        }
        return RotaryEncoderArchitecture(
            description: description, order: .normFirst,
            layers: isLocal.map { $0 ? Attention(rope: local, reach: window / 2) : Attention(rope: global) },
            normEpsilon: Float(try keys.optionalNumber("norm_eps", in: NumberRange.positive) ?? 1e-5),
            activation: try file.activation("hidden_activation", default: "gelu"),
            headActivation: try file.activation("classifier_activation", default: "gelu"),
            pooling: pooling == "mean" ? .mean : .firstToken,
            hasNormBias: try keys.flag("norm_bias", default: false),
            hasAttentionBias: try keys.flag("attention_bias", default: false),
            hasFeedForwardBias: try keys.flag("mlp_bias", default: false),
            hasHeadBias: try keys.flag("classifier_bias", default: false),
            hasDecoderBias: try keys.flag("decoder_bias", default: true), names: [.modernBert])
    }

    /// Those of layers that see everything, and of those that see a window: since transformers 5 for each type of
    /// layer, before as two bases.
    private static func modernBertRopes(
        _ file: ModelConfiguration, headSize: Int
    ) throws -> (global: RopeConfiguration, local: RopeConfiguration) {
        let range = 1.01...1e15
        let global = try file.keys.optionalNumber("global_rope_theta", in: range) ?? 160_000
        let local = try file.keys.optionalNumber("local_rope_theta", in: range) ?? 10_000
        return (
            try file.rope(headSize: headSize, layerType: "full_attention", defaultBase: global),
            try file.rope(headSize: headSize, layerType: "sliding_attention", defaultBase: local)
        )
    }
}

extension RotaryEncoderNames {
    static let modernBert = RotaryEncoderNames(
        prefixes: ["model."], words: "embeddings.tok_embeddings", embeddingNorm: "embeddings.norm",
        layerPrefix: "layers.", projections: ["attn.Wqkv"], attentionOutput: "attn.Wo", attentionNorm: "attn_norm",
        gates: ["mlp.Wi"], down: "mlp.Wo", feedForwardNorm: "mlp_norm", finalNorm: "final_norm",
        headDense: "head.dense", headNorm: "head.norm", decoder: "decoder", decoderBiases: ["decoder.bias"],
        spans: "classifier")
}
