import ModelIO
import TensorCore

extension DecoderArchitecture {
    /// InternLM 2 and 2.5 (Cai et al., 2024): Llama under other names, with each key head's queries, key and value in one
    /// matrix.
    static func internLM2(_ file: ModelConfiguration) throws -> DecoderArchitecture {
        var decoder = try llama(file)
        decoder.hasProjectionBias = try file.keys.flag("bias", default: false)
        decoder.hasOutputBias = decoder.hasProjectionBias
        decoder.names.embedding = "tok_embeddings"
        decoder.names.head = "output"
        decoder.names.attentionNorm = "attention_norm"
        // GGUF files have the three apart.
        decoder.names.projections =
            file.layout.separatesProjections
            ? .separate(query: "attention.wq", key: "attention.wk", value: "attention.wv")
            : .fusedByKeyHead("attention.wqkv")
        decoder.names.attentionOutput = "attention.wo"
        decoder.names.feedForwardNorm = "ffn_norm"
        decoder.names.feedForward = .gated(gate: "feed_forward.w1", up: "feed_forward.w3", down: "feed_forward.w2")
        return decoder
    }
}
