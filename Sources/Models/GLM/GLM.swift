import ModelIO
import TensorCore

extension DecoderArchitecture {
    /// GLM-4 (GLM team, 2024): Llama with biases on query, key and value, gate and up projection in one matrix, and
    /// neighbouring elements of half of each head rotated. GLM-4-0414 (`glm4`) has a norm behind each sublayer as well.
    ///
    ///     h = embed[id]
    ///     each layer:  h += norm₂(o(attention(rope(qkv(norm₁(h))))))
    ///                  h += norm₄(down(silu(gate(norm₃(h))) * up(norm₃(h))))
    ///     logits = head(norm(h))
    static func glm(_ file: ModelConfiguration) throws -> DecoderArchitecture {
        var decoder = try DecoderArchitecture(
            file, norm: .rms(), epsilonKey: "rms_norm_eps", activation: file.activation("hidden_act", default: "silu"))
        decoder.ropeLayout = .interleaved
        decoder.setRope(try file.rope(headSize: decoder.sizes.headSize, defaultFraction: 0.5))
        decoder.names.feedForward = .fusedGate(gateUp: "mlp.gate_up_proj", down: "mlp.down_proj")
        decoder.hasProjectionBias = try file.keys.flag("attention_bias", default: true)
        if file.modelType == "glm4" {
            decoder.names.afterAttentionNorm = "post_self_attn_layernorm"
            decoder.names.afterFeedForwardNorm = "post_mlp_layernorm"
        }
        return decoder
    }
}
