import ModelIO
import TensorCore

extension DecoderArchitecture {
    /// GPT-2 (Radford et al., 2019): learned positions, LayerNorm before each sublayer and once at the end, GELU, head tied
    /// to the embedding. The hub's checkpoints store their matrices `[K, N]`.
    ///
    ///     h = wte[id] + wpe[position]
    ///     each layer:  h += proj(attention(qkv(ln1(h))));  h += down(gelu(up(ln2(h))))
    ///     logits = wte(lnf(h))
    static func gpt2(_ file: ModelConfiguration) throws -> DecoderArchitecture {
        let geometry = try file.attentionGeometry()
        guard geometry.querySize == geometry.hiddenSize,
            geometry.keyValueHeadCount == geometry.headCount || file.modelType != "gpt2"
        else {
            throw LoadError.contradiction(
                path: file.path, keys: ["n_embd", "n_head"], reason: "GPT-2's heads must make up its width exactly")
        }
        var decoder = try DecoderArchitecture(
            file, norm: .layer(), epsilonKey: "layer_norm_epsilon",
            activation: file.activation("activation_function"), expansion: 4)
        decoder.prefixes = ["transformer.", ""]
        decoder.names = .gpt2
        decoder.positionOffset = 0
        decoder.hasProjectionBias = true
        decoder.hasOutputBias = true
        decoder.hasFeedForwardBias = true
        decoder.storesTransposed = !file.layout.isUntransposed
        // Some divide the scores of layer i by i + 1, or do not scale them by the head's size.
        let scales = try file.keys.flag("scale_attn_weights", default: true)
        let scalesByLayer = try file.keys.flag("scale_attn_by_inverse_layer_idx", default: false)
        for index in decoder.layers.indices {
            if !scales { decoder.layers[index].attention.scale = 1 }
            if scalesByLayer { decoder.layers[index].attention.scale /= Float(index + 1) }
        }
        return decoder
    }
}

extension DecoderTensorNames {
    static var gpt2: DecoderTensorNames {
        var names = DecoderTensorNames()
        names.embedding = "wte"
        names.positions = "wpe"
        names.finalNorm = "ln_f"
        names.layerPrefix = "h."
        names.attentionNorm = "ln_1"
        names.projections = .fused("attn.c_attn")
        names.attentionOutput = "attn.c_proj"
        names.feedForwardNorm = "ln_2"
        names.feedForward = .plain(up: "mlp.c_fc", down: "mlp.c_proj")
        return names
    }
}
