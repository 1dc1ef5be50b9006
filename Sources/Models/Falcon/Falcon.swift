import ModelIO
import TensorCore

extension DecoderArchitecture {
    /// Falcon (Almazrouei et al., 2023): LayerNorms, rotary positions, attention and feed-forward part side by side, few key
    /// heads. The hub's checkpoints store query, key and value by key head.
    ///
    ///     h = embed[id]
    ///     each layer:  h += dense(attention(rope(qkv(norm₁(h))))) + down(gelu(up(norm₂(h))))
    ///     logits = head(norm(h))
    ///
    /// The first ones have one key head, and one norm feeds both sublayers; a few have the feed-forward part behind the
    /// attention. Those with biases by distance (ALiBi) are not supported.
    static func falcon(_ file: ModelConfiguration) throws -> DecoderArchitecture {
        let keys = file.keys
        if try keys.flag("alibi", default: false) {
            throw LoadError.unsupportedValue(path: file.path, key: "alibi", value: "true", supported: ["false"])
        }
        var decoder = try DecoderArchitecture(
            file, norm: .layer(), epsilonKey: "layer_norm_epsilon",
            activation: file.activation("activation", default: "gelu"), expansion: 4)
        let isNew = try keys.flag("new_decoder_architecture", default: false)
        decoder.prefixes = ["transformer.", ""]
        decoder.names.embedding = "word_embeddings"
        decoder.names.finalNorm = "ln_f"
        decoder.names.layerPrefix = "h."
        let name = "self_attention.query_key_value"
        decoder.names.projections = file.layout.separatesProjections ? .fused(name) : .fusedByKeyHead(name)
        decoder.names.attentionOutput = "self_attention.dense"
        decoder.names.feedForward = .plain(up: "mlp.dense_h_to_4h", down: "mlp.dense_4h_to_h")
        if try isNew || keys.flag("parallel_attn", default: true) {
            decoder.order = .parallel
            let normCount = try keys.optionalInteger("num_ln_in_parallel_attn", in: 1...2) ?? (isNew ? 2 : 1)
            decoder.names.attentionNorm = normCount == 2 ? "ln_attn" : "input_layernorm"
            decoder.names.feedForwardNorm = normCount == 2 ? "ln_mlp" : nil
        }
        decoder.setRope(try file.rope(headSize: decoder.sizes.headSize))
        let hasBias = try keys.flag("bias", default: false)
        decoder.hasProjectionBias = hasBias
        decoder.hasOutputBias = hasBias
        decoder.hasFeedForwardBias = hasBias
        return decoder
    }
}
