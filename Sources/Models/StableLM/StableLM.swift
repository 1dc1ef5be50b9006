import ModelIO
import TensorCore

extension DecoderArchitecture {
    /// StableLM (Stability AI, 2023): Llama with LayerNorms, of which a quarter of each head is rotated.
    ///
    ///     h = embed[id]
    ///     each layer:  h += o(attention(rope(qkv(norm₁(h)))));  h += down(silu(gate(norm₂(h))) * up(norm₂(h)))
    ///     logits = head(norm(h))
    ///
    /// The one of 12 billion parameters norms each head of query and key, and has its sublayers side by side behind one
    /// norm.
    static func stableLM(_ file: ModelConfiguration) throws -> DecoderArchitecture {
        var decoder = try DecoderArchitecture(
            file, norm: .layer(), epsilonKey: "layer_norm_eps",
            activation: file.activation("hidden_act", default: "silu"))
        decoder.setRope(try file.rope(headSize: decoder.sizes.headSize, defaultFraction: 0.25))
        decoder.names.queryNorm = "self_attn.q_layernorm"
        decoder.names.keyNorm = "self_attn.k_layernorm"
        decoder.headNorm = try file.keys.flag("qk_layernorm", default: false) ? .eachHeadByLayerNorm : nil
        if try file.keys.flag("use_parallel_residual", default: false) {
            decoder.order = .parallel
            decoder.names.feedForwardNorm = nil
        }
        decoder.hasProjectionBias = try file.keys.flag("use_qkv_bias", default: false)
        return decoder
    }
}
