import ModelIO
import TensorCore

extension DecoderArchitecture {
    /// GPT-J (Wang and Komatsuzaki, 2021): one LayerNorm feeds attention and feed-forward part side by side, neighbouring
    /// elements of a part of each head are rotated, and the head has a bias.
    ///
    ///     h = wte[id]
    ///     each layer:  h += out(attention(rope(qkv(norm(h))))) + fc_out(gelu(fc_in(norm(h))))
    ///     logits = head(norm(h)) + bias
    static func gptJ(_ file: ModelConfiguration) throws -> DecoderArchitecture {
        var decoder = try DecoderArchitecture(
            file, norm: .layer(), epsilonKey: "layer_norm_epsilon",
            activation: file.activation("activation_function", default: "gelu_new"), expansion: 4)
        decoder.prefixes = ["transformer.", ""]
        decoder.order = .parallel
        decoder.names.embedding = "wte"
        decoder.names.finalNorm = "ln_f"
        decoder.names.layerPrefix = "h."
        decoder.names.attentionNorm = "ln_1"
        decoder.names.projections = .separate(query: "attn.q_proj", key: "attn.k_proj", value: "attn.v_proj")
        decoder.names.attentionOutput = "attn.out_proj"
        decoder.names.feedForwardNorm = nil
        decoder.names.feedForward = .plain(up: "mlp.fc_in", down: "mlp.fc_out")
        decoder.ropeLayout = .interleaved
        decoder.setRope(try file.rope(headSize: decoder.sizes.headSize))
        decoder.hasFeedForwardBias = true
        decoder.hasHeadBias = true
        return decoder
    }
}
