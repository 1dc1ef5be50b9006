import ModelIO
import TensorCore

extension DecoderArchitecture {
    /// OLMo 2 (OLMo team, 2024) and OLMo 3: Llama's sublayers with a norm behind each instead of before it, and with query and
    /// key normed over all heads before they are rotated.
    ///
    ///     h = embed[id]
    ///     each layer:  h += norm₁(o(attention(rope(norm(qk(h)), v(h)))));  h += norm₂(down(silu(gate(h)) * up(h)))
    ///     logits = head(norm(h))
    ///
    /// In OLMo 3 three of four layers see a window; what scales the rotary positions holds for the others.
    static func olmo(_ file: ModelConfiguration) throws -> DecoderArchitecture {
        var decoder = try DecoderArchitecture(
            file, norm: .rms(), epsilonKey: "rms_norm_eps", activation: file.activation("hidden_act"))
        decoder.names.attentionNorm = nil
        decoder.names.afterAttentionNorm = "post_attention_layernorm"
        decoder.names.feedForwardNorm = nil
        decoder.names.afterFeedForwardNorm = "post_feedforward_layernorm"
        decoder.headNorm = .allHeads
        decoder.hasProjectionBias = try file.keys.flag("attention_bias", default: false)
        decoder.hasOutputBias = decoder.hasProjectionBias
        let headSize = decoder.sizes.headSize
        guard file.modelType == "olmo3" else {
            decoder.setRope(try file.rope(headSize: headSize))
            return decoder
        }
        let windows = try file.periodicWindows(layerCount: decoder.layers.count, period: 4)
        decoder.setWindows(windows)
        let global = try file.rope(headSize: headSize, layerType: "full_attention")
        let local =
            try file.hasRope(layerType: "sliding_attention")
            ? file.rope(headSize: headSize, layerType: "sliding_attention")
            : RopeConfiguration(base: global.base, rotarySize: global.rotarySize)
        for (index, window) in windows.enumerated() { decoder.layers[index].rope = window == nil ? global : local }
        return decoder
    }

    /// OLMoE (Muennighoff et al., 2024): Llama with query and key normed over all heads, whose feed-forward part is a mixture
    /// of experts.
    static func olmoe(_ file: ModelConfiguration) throws -> DecoderArchitecture {
        let clip = "clip_qkv"
        if let limit = try file.keys.optionalNumber(clip) {
            throw LoadError.unsupportedValue(path: file.path, key: clip, value: "\(limit)", supported: ["null"])
        }
        var decoder = try llama(file)
        decoder.headNorm = .allHeads
        try decoder.addExperts(file)
        return decoder
    }

    /// EXAONE 4.0 (LG AI Research, 2025): norms behind the sublayers as in OLMo 2, each head of query and key normed for
    /// itself. Where some layers see a window, the others know no positions.
    static func exaone4(_ file: ModelConfiguration) throws -> DecoderArchitecture {
        var decoder = try olmo(file)
        decoder.headNorm = .eachHead
        guard try file.slidingWindow() != nil else { return decoder }
        let windows = try file.periodicWindows(layerCount: decoder.layers.count, period: 4)
        decoder.setWindows(windows)
        for (index, window) in windows.enumerated() where window == nil { decoder.layers[index].rope = nil }
        return decoder
    }
}
