internal import TensorCore

// The keys of a `config.json` for each family's metadata.

extension GGUFModel {
    var rmsNormEpsilon: Double {
        get throws { try metadata.number(key("attention.layer_norm_rms_epsilon"), in: NumberRange.positive) }
    }

    var layerNormEpsilon: Double {
        get throws { try metadata.number(key("attention.layer_norm_epsilon"), in: NumberRange.positive) }
    }

    /// The window in tokens; `nil` where there is none, which a file may write as 0.
    func slidingWindow() throws -> Int? {
        let window = try metadata.optionalInteger(key("attention.sliding_window"), in: 0...SizeLimit.positions)
        return window == 0 ? nil : window
    }

    // MARK: Llama and models of its shape

    func writeLlama(to table: inout ConfigurationTable) throws {
        let headSize = try writeDecoder(to: &table)
        table.set("rms_norm_eps", try rmsNormEpsilon)
        table.set("hidden_act", "silu")
        if let expertCount = try expertCount() {
            try writeExperts(expertCount, to: &table)
        } else {
            table.set("intermediate_size", try metadata.size(key("feed_forward_length")))
        }
        if architecture == "llama" { table.set("attention_bias", tensor("blk.0.attn_q.bias") != nil) }
        if architecture == "phi3", let window = try slidingWindow() { table.set("sliding_window", window) }
        try writeRope(headSize: headSize, to: &table)
    }

    func writeExperts(_ count: Int, to table: inout ConfigurationTable) throws {
        let used = key("expert_used_count")
        table.set("num_local_experts", count)
        table.set("num_experts_per_tok", try metadata.size(used, maximum: count))
        let width =
            try metadata.optionalSize(key("expert_feed_forward_length"))
            ?? metadata.size(key("feed_forward_length"))
        table.set("intermediate_size", width)
        table.set("moe_intermediate_size", width)
        // Files of most architectures do not say it.
        let normalizes = !["qwen2moe", "olmoe"].contains(architecture)
        table.set("norm_topk_prob", try metadata.optionalBool(key("expert_weights_norm")) ?? normalizes)
        guard let shared = tensor("blk.0.ffn_up_shexp.weight") else { return }
        let size = try metadata.optionalInteger(key("expert_shared_feed_forward_length"), in: 0...SizeLimit.width)
        table.set("shared_expert_intermediate_size", size ?? shared.shape.extents.first ?? 0)
        if architecture == "granitemoe" { table.set("model_type", "granitemoeshared") }
    }

    // MARK: Gemma

    func writeGemma(to table: inout ConfigurationTable) throws {
        let headSize = try writeDecoder(to: &table)
        let isThird = architecture == "gemma3"
        table.set("rms_norm_eps", try rmsNormEpsilon)
        table.set("hidden_activation", "gelu_pytorch_tanh")
        table.set("intermediate_size", try metadata.size(key("feed_forward_length")))
        table.set("query_pre_attn_scalar", try queryScalar(headSize: headSize))
        for name in ["attn_logit_softcapping", "final_logit_softcapping"] {
            let cap = try metadata.optionalNumber(key(name), in: NumberRange.nonNegative) ?? 0
            if cap > 0 { table.set(name, cap) }
        }
        if let window = try slidingWindow() ?? (isThird ? nil : 4096) { table.set("sliding_window", window) }
        try writeSlidingLayers(to: &table)
        if isThird {
            let local = try metadata.optionalNumber(key("rope.freq_base_swa"), in: 1.01...1e15)
            table.set("rope_local_base_freq", local ?? 10_000)
        }
        try writeRope(headSize: headSize, defaultBase: isThird ? 1_000_000 : 10_000, to: &table)
    }

    /// The 27B models divide scores by the root of a head's share of the residual stream, the others by that of the
    /// head's size. Files do not store it, so it is decided by the number of layers.
    private func queryScalar(headSize: Int) throws -> Int {
        let layerCount = try metadata.size(key("block_count"), maximum: SizeLimit.layers)
        guard layerCount == (architecture == "gemma3" ? 62 : 46) else { return headSize }
        let headCount = try metadata.size(key("attention.head_count"), maximum: SizeLimit.heads)
        return max(try metadata.size(key("embedding_length")) / headCount, 1)
    }

    /// Which layers see only a window: every one but the last of a period, or as an array says.
    func writeSlidingLayers(to table: inout ConfigurationTable) throws {
        let name = key("attention.sliding_window_pattern")
        guard case .array(let array)? = metadata[name] else {
            let period = try metadata.optionalSize(name, maximum: SizeLimit.layers)
            if let period { table.set("sliding_window_pattern", period) }
            return
        }
        let layerCount = try metadata.size(key("block_count"), maximum: SizeLimit.layers)
        guard array.count == layerCount, let flags = array.integers() else {
            throw metadata.invalid(name, "a period or a flag for each of \(layerCount) layers")
        }
        table.set("layer_types", flags.map { $0 != 0 ? "sliding_attention" : "full_attention" })
    }

    // MARK: GPT-NeoX

    func writeGPTNeoX(to table: inout ConfigurationTable) throws {
        let headSize = try writeDecoder(to: &table)
        table.set("intermediate_size", try metadata.size(key("feed_forward_length")))
        table.set("layer_norm_eps", try layerNormEpsilon)
        // Files do not store the kind of GELU. Pythia, by far the most used of these models, has the exact one.
        table.set("hidden_act", "gelu")
        table.set("use_parallel_residual", try metadata.optionalBool(key("use_parallel_residual")) ?? true)
        table.set("attention_bias", tensor("blk.0.attn_qkv.bias") != nil)
        try writeRope(headSize: headSize, to: &table)
    }

    // MARK: GPT-2

    func writeGPT2(to table: inout ConfigurationTable) throws {
        table.set("n_embd", try metadata.size(key("embedding_length")))
        table.set("n_layer", try metadata.size(key("block_count"), maximum: SizeLimit.layers))
        table.set("n_head", try metadata.size(key("attention.head_count"), maximum: SizeLimit.heads))
        if let width = try metadata.optionalSize(key("feed_forward_length")) { table.set("n_inner", width) }
        try writeVocabularySize(to: &table)
        table.set("n_positions", try metadata.size(key("context_length"), maximum: SizeLimit.positions))
        table.set("layer_norm_epsilon", try layerNormEpsilon)
        table.set("activation_function", "gelu_new")
        table.set("tie_word_embeddings", tensor("output.weight") == nil)
        guard architecture == "starcoder" else { return }
        table.set("multi_query", try metadata.optionalSize(key("attention.head_count_kv")) ?? 1 == 1)
    }
}
