import ModelIO
import TensorCore

extension DecoderArchitecture {
    /// OPT (Zhang et al., 2022): learned positions behind two rows that no token stands at, LayerNorm before each sublayer,
    /// ReLU, biases everywhere.
    ///
    ///     h = embed_tokens[id] + embed_positions[position + 2]
    ///     each layer:  h += out(attention(qkv(norm₁(h))));  h += fc2(relu(fc1(norm₂(h))))
    ///     logits = embed_tokens(norm(h))
    ///
    /// OPT-350M, whose norms stand behind its sublayers and whose embedding has a width of its own, is not supported.
    static func opt(_ file: ModelConfiguration) throws -> DecoderArchitecture {
        let keys = file.keys
        for (key, value) in [
            ("do_layer_norm_before", true), ("_remove_final_layer_norm", false),
            ("layer_norm_elementwise_affine", true),
        ] {
            guard try keys.flag(key, default: value) == value else {
                throw LoadError.unsupportedValue(path: file.path, key: key, value: "\(!value)", supported: ["\(value)"])
            }
        }
        var decoder = try DecoderArchitecture(
            file, norm: .layer(), epsilon: 1e-5, activation: file.activation("activation_function", default: "relu"))
        let width = try keys.optionalSize("word_embed_proj_dim") ?? decoder.sizes.hiddenSize
        guard width == decoder.sizes.hiddenSize else {
            throw LoadError.contradiction(
                path: file.path, keys: ["word_embed_proj_dim", "hidden_size"],
                reason: "an embedding of \(width) features for \(decoder.sizes.hiddenSize) is not supported")
        }
        decoder.prefixes = ["model.decoder.", "decoder.", ""]
        decoder.names.finalNorm = "final_layer_norm"
        decoder.names.attentionNorm = "self_attn_layer_norm"
        decoder.names.attentionOutput = "self_attn.out_proj"
        decoder.names.feedForwardNorm = "final_layer_norm"
        decoder.names.feedForward = .plain(up: "fc1", down: "fc2")
        decoder.positionOffset = 2
        let hasBias = try keys.flag("enable_bias", default: true)
        decoder.hasProjectionBias = hasBias
        decoder.hasOutputBias = hasBias
        decoder.hasFeedForwardBias = hasBias
        return decoder
    }
}
