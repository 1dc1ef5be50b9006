import ModelIO
import TensorCore

extension DecoderArchitecture {
    /// Gemma (Gemma team, 2024), Gemma 2 and the text model of Gemma 3 (Gemma team, 2025): Llama's sublayers with a norm before and
    /// one behind each, a scaled embedding, layers that see a window between layers that see everything, and caps on scores
    /// and logits.
    ///
    ///     h = √D · embed[id]
    ///     each layer:  h += norm₂(o(attention(rope(qkv(norm₁(h))))))
    ///                  h += norm₄(down(gelu(gate(norm₃(h))) * up(norm₃(h))))
    ///     logits = cap(head(norm(h)))
    ///
    /// Every norm's weights are stored less 1. The first Gemma has no norms behind, no windows and no caps. Gemma 3 norms each head of query and key before rotating it, has another
    /// rotary base where a layer sees a window, and no caps. Of its models that take images this is the language model.
    static func gemma(_ whole: ModelConfiguration) throws -> DecoderArchitecture {
        let file = try whole.textModel(ofType: "gemma3_text")
        let isFirst = file.modelType == "gemma"
        let isThird = !isFirst && file.modelType != "gemma2"
        let keys = file.keys
        var decoder = try DecoderArchitecture(
            file, norm: .rms(offset: file.layout.includesNormOffset ? 0 : 1),
            epsilonKey: "rms_norm_eps",
            activation: file.activation(
                keys.value("hidden_activation") == nil && isFirst ? "hidden_act" : "hidden_activation",
                default: "gelu_pytorch_tanh"))
        decoder.prefixes = ["model.", "", "language_model.model.", "model.language_model."]
        decoder.embeddingScale = Float(decoder.sizes.hiddenSize).squareRoot()
        if !isFirst {
            decoder.names.afterAttentionNorm = "post_attention_layernorm"
            decoder.names.feedForwardNorm = "pre_feedforward_layernorm"
            decoder.names.afterFeedForwardNorm = "post_feedforward_layernorm"
        }
        decoder.headNorm = isThird ? .eachHead : nil
        decoder.hasProjectionBias = try keys.flag("attention_bias", default: false)
        decoder.hasOutputBias = decoder.hasProjectionBias
        decoder.logitCap = try keys.optionalNumber("final_logit_softcapping", in: NumberRange.positive).map(Float.init)

        let headSize = decoder.sizes.headSize
        let scalar = try keys.optionalNumber("query_pre_attn_scalar", in: NumberRange.positive)
        let cap = try keys.optionalNumber("attn_logit_softcapping", in: NumberRange.positive).map(Float.init)
        let windows = try isFirst ? [] : file.periodicWindows(layerCount: decoder.layers.count, period: isThird ? 6 : 2)
        let (global, local) = try file.gemmaRopes(headSize: headSize, isThird: isThird)
        for index in decoder.layers.indices {
            let window = isFirst ? nil : windows[index]
            decoder.layers[index].attention.scale = Float(1 / (scalar ?? Double(headSize)).squareRoot())
            decoder.layers[index].attention.softCap = cap
            decoder.layers[index].attention.slidingWindow = window
            decoder.layers[index].rope = window == nil ? global : local
        }
        return decoder
    }
}
