import ModelIO
import TensorCore

extension DecoderArchitecture {
    /// GPT-NeoX (Black et al., 2022) and Pythia: LayerNorms, rotary positions of a part of each head, and attention and
    /// feed-forward part side by side on one residual stream. Some have the feed-forward part behind the attention instead,
    /// as other decoders do. The hub's checkpoints store query, key and value head by head.
    ///
    ///     h = embed[id]
    ///     each layer:  h += o(attention(rope(qkv(norm₁(h))))) + down(gelu(up(norm₂(h))))
    ///     logits = head(norm(h))
    static func gptNeoX(_ file: ModelConfiguration) throws -> DecoderArchitecture {
        let geometry = try file.attentionGeometry()
        guard geometry.querySize == geometry.hiddenSize, geometry.keyValueHeadCount == geometry.headCount else {
            throw LoadError.contradiction(
                path: file.path, keys: ["hidden_size", "num_attention_heads"],
                reason: "GPT-NeoX's heads must make up its width exactly")
        }
        var decoder = try DecoderArchitecture(
            file, norm: .layer(), epsilonKey: "layer_norm_eps", activation: file.activation("hidden_act"))
        decoder.setRope(try file.rope(headSize: geometry.headSize))
        decoder.prefixes = ["gpt_neox.", ""]
        decoder.names.embedding = "embed_in"
        decoder.names.finalNorm = "final_layer_norm"
        decoder.names.head = "embed_out"
        let name = "attention.query_key_value"
        decoder.names.projections = file.layout.separatesProjections ? .fused(name) : .fusedByKeyHead(name)
        decoder.names.attentionOutput = "attention.dense"
        decoder.names.feedForward = .plain(up: "mlp.dense_h_to_4h", down: "mlp.dense_4h_to_h")
        decoder.order = try file.keys.flag("use_parallel_residual", default: true) ? .parallel : .sequential
        decoder.hasProjectionBias = try file.keys.flag("attention_bias", default: true)
        decoder.hasOutputBias = decoder.hasProjectionBias
        decoder.hasFeedForwardBias = true
        return decoder
    }
}
