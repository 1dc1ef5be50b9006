import ModelIO
import TensorCore

extension DecoderArchitecture {
    /// Phi-1, Phi-1.5 and Phi-2 (Gunasekar et al., 2023; Li et al., 2023): one LayerNorm feeds attention and feed-forward part
    /// side by side, a part of each head is rotated, and everything has a bias, the head as well.
    ///
    ///     h = embed[id]
    ///     each layer:  h += dense(attention(rope(qkv(norm(h))))) + fc2(gelu(fc1(norm(h))))
    ///     logits = head(norm(h)) + bias
    static func phi(_ file: ModelConfiguration) throws -> DecoderArchitecture {
        if try file.keys.flag("qk_layernorm", default: false) {
            throw LoadError.unsupportedValue(path: file.path, key: "qk_layernorm", value: "true", supported: ["false"])
        }
        var decoder = try DecoderArchitecture(
            file, norm: .layer(), epsilonKey: "layer_norm_eps",
            activation: file.activation("hidden_act", default: "gelu_new"))
        decoder.order = .parallel
        decoder.names.finalNorm = "final_layernorm"
        decoder.names.attentionOutput = "self_attn.dense"
        decoder.names.feedForwardNorm = nil
        decoder.names.feedForward = .plain(up: "mlp.fc1", down: "mlp.fc2")
        decoder.setRope(try file.rope(headSize: decoder.sizes.headSize, defaultFraction: 0.5))
        decoder.hasProjectionBias = true
        decoder.hasOutputBias = true
        decoder.hasFeedForwardBias = true
        decoder.hasHeadBias = true
        return decoder
    }
}
