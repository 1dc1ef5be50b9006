/// What checkpoints call a decoder's tensors, without `.weight` and `.bias`. A norm that has no name is not there.
struct DecoderTensorNames: Sendable {
    /// Query, key and value of a layer.
    enum Projections: Sendable {
        case separate(query: String, key: String, value: String)
        /// One matrix: all queries, all keys, all values.
        case fused(String)
        /// One matrix: for each key head the queries that read it, the key and the value.
        case fusedByKeyHead(String)
    }

    /// The feed-forward part of a layer without experts.
    enum FeedForward: Sendable {
        case gated(gate: String, up: String, down: String)
        /// The gate above the up projection in one matrix.
        case fusedGate(gateUp: String, down: String)
        case plain(up: String, down: String)
    }

    var embedding = "embed_tokens"
    var positions = "embed_positions"
    var finalNorm = "norm"
    var head = "lm_head"

    /// What stands before the number of a layer; the names below follow it.
    var layerPrefix = "layers."
    var attentionNorm: String? = "input_layernorm"
    var projections = Projections.separate(
        query: "self_attn.q_proj", key: "self_attn.k_proj", value: "self_attn.v_proj")
    var queryNorm = "self_attn.q_norm"
    var keyNorm = "self_attn.k_norm"
    var attentionOutput = "self_attn.o_proj"
    /// Norms what attention adds to the residual stream.
    var afterAttentionNorm: String?
    var feedForwardNorm: String? = "post_attention_layernorm"
    var feedForward = FeedForward.gated(gate: "mlp.gate_proj", up: "mlp.up_proj", down: "mlp.down_proj")
    /// Norms what the feed-forward part adds to the residual stream.
    var afterFeedForwardNorm: String?
    /// What stands before the names of a mixture of experts; the first that fits counts.
    var expertPrefixes = ["mlp.", "block_sparse_moe."]
}
