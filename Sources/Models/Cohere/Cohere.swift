import ModelIO
import TensorCore

extension DecoderArchitecture {
    /// Command R (Cohere, 2024) and Command R7B: one LayerNorm without bias feeds attention and a gated feed-forward part
    /// side by side, neighbouring elements are rotated, and logits are scaled.
    ///
    ///     h = embed[id]
    ///     each layer:  h += o(attention(rope(qkv(norm(h))))) + down(silu(gate(norm(h))) * up(norm(h)))
    ///     logits = logit_scale · head(norm(h))
    ///
    /// Command R+ norms each head of query and key. In Command R7B (`cohere2`) three of four layers see a window, and those
    /// that see everything know no positions.
    static func cohere(_ file: ModelConfiguration) throws -> DecoderArchitecture {
        var decoder = try DecoderArchitecture(
            file, norm: .layer(hasBias: false), epsilonKey: "layer_norm_eps",
            activation: file.activation("hidden_act"))
        decoder.order = .parallel
        decoder.names.feedForwardNorm = nil
        decoder.ropeLayout = .interleaved
        decoder.setRope(try file.rope(headSize: decoder.sizes.headSize))
        decoder.logitScale = Float(try file.keys.optionalNumber("logit_scale", in: 1e-9...1e9) ?? 0.0625)
        decoder.headNorm = try file.keys.flag("use_qk_norm", default: false) ? .eachHeadByLayerNorm : nil
        decoder.hasProjectionBias = try file.keys.flag("attention_bias", default: false)
        decoder.hasOutputBias = decoder.hasProjectionBias
        guard file.modelType == "cohere2" else { return decoder }
        let windows = try file.periodicWindows(layerCount: decoder.layers.count, period: 4)
        decoder.setWindows(windows)
        for (index, window) in windows.enumerated() where window == nil { decoder.layers[index].rope = nil }
        return decoder
    }
}
