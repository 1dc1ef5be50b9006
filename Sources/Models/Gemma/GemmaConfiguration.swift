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

    init(_ whole: ModelConfiguration) throws {
        let file = try whole.textModel(ofType: "gemma3_text")
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
        slidingWindows = try file.gemmaWindows(
            layerCount: description.layerCount, defaultPeriod: isThird ? 6 : 2)
        (globalRope, localRope) = try file.gemmaRopes(headSize: geometry.headSize, isThird: isThird)
        tiesHead = try file.tiesWordEmbeddings()
    }

    func attention(layer: Int) -> AttentionParameters {
        AttentionParameters(
            headCount: description.headCount, scale: attentionScale, slidingWindow: slidingWindows[layer],
            softCap: attentionCap)
    }
}
