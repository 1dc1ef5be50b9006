import ModelIO
import TensorCore

/// What the `config.json` of Gemma 2 and Gemma 3 says of the text model.
struct GemmaConfiguration: Sendable {
    let description: DecoderDescription
    let rmsNormEpsilon: Float
    /// Added to every norm's weight as it is stored: 1, or 0 in GGUF files, which hold the sum.
    let normOffset: Float
    let activation: Activation
    /// Whether each head of query and key is normed before it is rotated (Gemma 3).
    let hasHeadNorms: Bool
    let hasProjectionBias: Bool
    let attentionScale: Float
    /// Of attention scores and of logits; `nil`: none.
    let attentionCap: Float?
    let logitCap: Float?
    /// Tokens a query of each layer sees; `nil`: all.
    let slidingWindows: [Int?]
    /// Of the layers that see all tokens, and of those that see a window.
    let globalRope: RopeConfiguration
    let localRope: RopeConfiguration
    let tiesHead: Bool

    /// What `transformers` assumes of Gemma 3's text model, which the configurations of the models with images rely on.
    private static let defaults = """
        {"vocab_size": 262208, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
        "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 131072,
        "rms_norm_eps": 1e-6, "query_pre_attn_scalar": 256, "sliding_window": 4096, "rope_theta": 1000000}
        """

    init(_ whole: ModelConfiguration) throws {
        let file = try whole.textModel(defaults: GemmaConfiguration.defaults)
        let isThird = file.modelType != "gemma2"
        let geometry = try file.attentionGeometry()
        description = try DecoderDescription(file, geometry)
        rmsNormEpsilon = Float(try file.keys.number("rms_norm_eps", in: NumberRange.positive))
        normOffset = Float(try file.keys.optionalNumber("norm_weight_offset", in: 0...1) ?? 1)
        activation = try file.activation("hidden_activation", default: "gelu_pytorch_tanh")
        hasHeadNorms = isThird
        hasProjectionBias = try file.keys.flag("attention_bias", default: false)
        let scalar = try file.keys.optionalNumber("query_pre_attn_scalar", in: NumberRange.positive)
        attentionScale = Float(1 / (scalar ?? Double(geometry.headSize)).squareRoot())
        attentionCap = try file.keys.optionalNumber("attn_logit_softcapping", in: NumberRange.positive).map(Float.init)
        logitCap = try file.keys.optionalNumber("final_logit_softcapping", in: NumberRange.positive).map(Float.init)
        slidingWindows = try GemmaConfiguration.slidingWindows(
            file, layerCount: description.layerCount, defaultPeriod: isThird ? 6 : 2)
        (globalRope, localRope) = try GemmaConfiguration.ropes(file, headSize: geometry.headSize, isThird: isThird)
        tiesHead = try file.tiesWordEmbeddings()
    }

    func attention(layer: Int) -> AttentionParameters {
        AttentionParameters(
            headCount: description.headCount, scale: attentionScale, slidingWindow: slidingWindows[layer],
            softCap: attentionCap)
    }

    /// By `layer_types`; in older files every layer but the last of each `sliding_window_pattern`.
    private static func slidingWindows(
        _ file: ModelConfiguration, layerCount: Int, defaultPeriod: Int
    ) throws -> [Int?] {
        guard let window = try file.slidingWindow() else { return Array(repeating: nil, count: layerCount) }
        if let isSliding = try file.slidingLayers(layerCount: layerCount) {
            return isSliding.map { $0 ? window : nil }
        }
        let period =
            try file.keys.optionalSize("sliding_window_pattern", "_sliding_window_pattern", maximum: SizeLimit.layers)
            ?? defaultPeriod
        return (1...layerCount).map { $0 % period == 0 ? nil : window }
    }

    /// Gemma 2 has one embedding for all layers. Gemma 3's layers with a window have a base of their own, and are not
    /// scaled in older files, which give it as `rope_local_base_freq`.
    private static func ropes(
        _ file: ModelConfiguration, headSize: Int, isThird: Bool
    ) throws -> (global: RopeConfiguration, local: RopeConfiguration) {
        guard isThird else {
            let rope = try file.rope(headSize: headSize)
            return (rope, rope)
        }
        let global = try file.rope(headSize: headSize, layerType: "full_attention", defaultBase: 1_000_000)
        if try file.keys.object("rope_parameters")?.object("sliding_attention") != nil {
            return (global, try file.rope(headSize: headSize, layerType: "sliding_attention"))
        }
        let base = try file.keys.optionalNumber("rope_local_base_freq", in: 1.01...1e15) ?? 10_000
        return (global, RopeConfiguration(base: base, rotarySize: global.rotarySize))
    }
}
