import ModelIO
import TensorCore

extension DecoderArchitecture {
    /// GPT-BigCode (Ben Allal et al., 2023) and StarCoder: GPT-2 with one key head for all queries, and matrices stored as
    /// other models store them.
    static func gptBigCode(_ file: ModelConfiguration) throws -> DecoderArchitecture {
        var decoder = try gpt2(file)
        decoder.storesTransposed = false
        // With a key head for each query, their three parts lie together.
        if try !file.keys.flag("multi_query", default: true), !file.layout.separatesProjections {
            decoder.names.projections = .fusedByKeyHead("attn.c_attn")
        }
        return decoder
    }

    /// StarCoder2 (Lozhkov et al., 2024): LayerNorms, biases, rotary positions, grouped-query attention within a window, a
    /// feed-forward part without gate.
    ///
    ///     h = embed[id]
    ///     each layer:  h += o(attention(rope(qkv(norm₁(h)))));  h += proj(gelu(fc(norm₂(h))))
    ///     logits = head(norm(h))
    static func starCoder2(_ file: ModelConfiguration) throws -> DecoderArchitecture {
        var decoder = try DecoderArchitecture(
            file, norm: .layer(), epsilonKey: "norm_epsilon",
            activation: file.activation("hidden_act", default: "gelu_pytorch_tanh"))
        decoder.names.feedForward = .plain(up: "mlp.c_fc", down: "mlp.c_proj")
        decoder.setRope(try file.rope(headSize: decoder.sizes.headSize))
        decoder.setWindows(Array(repeating: try file.slidingWindow(), count: decoder.layers.count))
        let hasBias = try file.keys.flag("use_bias", default: true)
        decoder.hasProjectionBias = hasBias
        decoder.hasOutputBias = hasBias
        decoder.hasFeedForwardBias = hasBias
        return decoder
    }
}
