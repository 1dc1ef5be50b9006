internal import JSONCore
internal import TensorCore

// What each family's metadata is called in a `config.json`.

extension GGUFModel {
    private var rmsNormEpsilon: Double {
        get throws { try metadata.number(key("attention.layer_norm_rms_epsilon"), in: NumberRange.positive) }
    }

    private var layerNormEpsilon: Double {
        get throws { try metadata.number(key("attention.layer_norm_epsilon"), in: NumberRange.positive) }
    }

    /// Tokens of a window, or `nil` where there is none, for which 0 may stand.
    private func slidingWindow() throws -> Int? {
        let window = try metadata.optionalInteger(key("attention.sliding_window"), in: 0...SizeLimit.positions)
        return window == 0 ? nil : window
    }

    // MARK: Llama and models of its shape

    func writeLlama(_ known: GGUFArchitecture, to writer: inout JSONWriter) throws {
        let headSize = try writeDecoder(to: &writer)
        try writer.member("rms_norm_eps", try rmsNormEpsilon)
        writer.member("hidden_act", "silu")
        if let expertCount = try expertCount() {
            try writeExperts(expertCount, to: &writer)
        } else {
            writer.member("intermediate_size", try metadata.size(key("feed_forward_length")))
        }
        if architecture == "llama" { writer.member("attention_bias", tensor("blk.0.attn_q.bias") != nil) }
        if architecture == "phi3", let window = try slidingWindow() { writer.member("sliding_window", window) }
        writer.member("rope_layout", known.hasInterleavedRope ? "interleaved" : "halfSplit")
        try writeRope(headSize: headSize, to: &writer)
    }

    private func writeExperts(_ count: Int, to writer: inout JSONWriter) throws {
        let used = key("expert_used_count")
        writer.member("num_local_experts", count)
        writer.member("num_experts_per_tok", try metadata.size(used, maximum: count))
        let width =
            try metadata.optionalSize(key("expert_feed_forward_length"))
            ?? metadata.size(key("feed_forward_length"))
        writer.member("intermediate_size", width)
        writer.member("moe_intermediate_size", width)
        writer.member("norm_topk_prob", try metadata.optionalBool(key("expert_weights_norm")) ?? true)
    }

    // MARK: Gemma

    func writeGemma(to writer: inout JSONWriter) throws {
        let headSize = try writeDecoder(to: &writer)
        let isThird = architecture == "gemma3"
        try writer.member("rms_norm_eps", try rmsNormEpsilon)
        // The file holds the norms' weights with the 1 added.
        writer.member("norm_weight_offset", 0)
        writer.member("hidden_activation", "gelu_pytorch_tanh")
        writer.member("intermediate_size", try metadata.size(key("feed_forward_length")))
        writer.member("query_pre_attn_scalar", try queryScalar(headSize: headSize))
        for name in ["attn_logit_softcapping", "final_logit_softcapping"] {
            let cap = try metadata.optionalNumber(key(name), in: NumberRange.nonNegative) ?? 0
            if cap > 0 { try writer.member(name, cap) }
        }
        if let window = try slidingWindow() ?? (isThird ? nil : 4096) { writer.member("sliding_window", window) }
        try writeSlidingLayers(to: &writer)
        if isThird {
            let local = try metadata.optionalNumber(key("rope.freq_base_swa"), in: 1.01...1e15)
            try writer.member("rope_local_base_freq", local ?? 10_000)
        }
        try writeRope(headSize: headSize, defaultBase: isThird ? 1_000_000 : 10_000, to: &writer)
    }

    /// The 27B models divide scores by the root of the width a head has in the residual stream, the others by that of the
    /// head; files do not say it, so the number of layers has to.
    private func queryScalar(headSize: Int) throws -> Int {
        let layerCount = try metadata.size(key("block_count"), maximum: SizeLimit.layers)
        guard layerCount == (architecture == "gemma3" ? 62 : 46) else { return headSize }
        let headCount = try metadata.size(key("attention.head_count"), maximum: SizeLimit.heads)
        return max(try metadata.size(key("embedding_length")) / headCount, 1)
    }

    /// Which layers see a window only: every one but the last of a period, or as an array says.
    private func writeSlidingLayers(to writer: inout JSONWriter) throws {
        let name = key("attention.sliding_window_pattern")
        guard case .array(let array)? = metadata[name] else {
            let period = try metadata.optionalSize(name, maximum: SizeLimit.layers)
            if let period { writer.member("sliding_window_pattern", period) }
            return
        }
        let layerCount = try metadata.size(key("block_count"), maximum: SizeLimit.layers)
        guard array.count == layerCount, let flags = array.integers() else {
            throw metadata.invalid(name, "a period or a flag for each of \(layerCount) layers")
        }
        writer.key("layer_types")
        writer.beginArray()
        for flag in flags { writer.value(flag != 0 ? "sliding_attention" : "full_attention") }
        writer.endArray()
    }

    // MARK: GPT-NeoX

    func writeGPTNeoX(to writer: inout JSONWriter) throws {
        let headSize = try writeDecoder(to: &writer)
        writer.member("intermediate_size", try metadata.size(key("feed_forward_length")))
        try writer.member("layer_norm_eps", try layerNormEpsilon)
        // Files do not say which GELU; Pythia, by far the most used of these models, has the exact one.
        writer.member("hidden_act", "gelu")
        writer.member("use_parallel_residual", try metadata.optionalBool(key("use_parallel_residual")) ?? true)
        writer.member("attention_bias", tensor("blk.0.attn_qkv.bias") != nil)
        writer.member("heads_stored_together", false)
        try writeRope(headSize: headSize, to: &writer)
    }

    // MARK: GPT-2

    func writeGPT2(to writer: inout JSONWriter) throws {
        writer.member("n_embd", try metadata.size(key("embedding_length")))
        writer.member("n_layer", try metadata.size(key("block_count"), maximum: SizeLimit.layers))
        writer.member("n_head", try metadata.size(key("attention.head_count"), maximum: SizeLimit.heads))
        if let width = try metadata.optionalSize(key("feed_forward_length")) { writer.member("n_inner", width) }
        try writeVocabularySize(to: &writer)
        writer.member("n_positions", try metadata.size(key("context_length"), maximum: SizeLimit.positions))
        try writer.member("layer_norm_epsilon", try layerNormEpsilon)
        writer.member("activation_function", "gelu_new")
        writer.member("tie_word_embeddings", tensor("output.weight") == nil)
        writer.member("conv1d_transposed", false)
    }
}
