internal import TensorCore

// The keys of a `config.json` for the metadata of decoders that are built like Llama or GPT and have other keys.

extension GGUFModel {
    func writeOther(to table: inout ConfigurationTable) throws {
        let headSize = try writeDecoder(to: &table)
        table.set("intermediate_size", try metadata.size(key("feed_forward_length")))
        let hasBias = ["attn_q", "attn_qkv"].contains { tensor("blk.0.\($0).bias") != nil }
        for name in ["attention_bias", "use_bias", "use_qkv_bias", "bias"] { table.set(name, hasBias) }
        let layerNorm = try metadata.optionalNumber(key("attention.layer_norm_epsilon"), in: NumberRange.positive)
        if let layerNorm {
            for name in ["layer_norm_eps", "layer_norm_epsilon", "norm_epsilon"] { table.set(name, layerNorm) }
        } else {
            table.set("rms_norm_eps", try rmsNormEpsilon)
        }
        // Files do not store the kind of GELU.
        let activations = [
            "gemma": "gelu_pytorch_tanh", "starcoder2": "gelu_pytorch_tanh", "falcon": "gelu", "phi2": "gelu_new",
        ]
        let activation = activations[architecture] ?? "silu"
        table.set("hidden_act", activation)
        table.set("activation", activation)
        try writePeculiarities(headSize: headSize, to: &table)
        try writeRope(headSize: headSize, to: &table)
    }

    private func writePeculiarities(headSize: Int, to table: inout ConfigurationTable) throws {
        switch architecture {
        case "granite", "granitemoe":
            if let count = try expertCount() { try writeExperts(count, to: &table) }
            // Zero means none.
            table.set("attention_multiplier", 1 / Double(headSize).squareRoot())
            for (ours, theirs) in GGUFArchitecture.graniteScales {
                let scale = try metadata.optionalNumber(key(theirs), in: NumberRange.nonNegative) ?? 0
                if scale > 0 { table.set(ours, scale) }
            }
        case "olmo2":
            guard try writeWindow(to: &table) else { return }
            table.set("model_type", "olmo3")
        case "exaone4": try writeWindow(to: &table)
        case "command-r", "cohere2":
            table.set("logit_scale", try metadata.number(key("logit_scale"), in: NumberRange.positive))
            table.set("use_qk_norm", tensor("blk.0.attn_q_norm.weight") != nil)
            try writeWindow(to: &table)
        case "falcon":
            let isNew = tensor("blk.0.attn_norm_2.weight") != nil
            table.set("num_ln_in_parallel_attn", isNew ? 2 : 1)
            table.set("multi_query", try metadata.optionalSize(key("attention.head_count_kv")) == 1)
            table.set("new_decoder_architecture", isNew)
        case "stablelm":
            table.set("qk_layernorm", tensor("blk.0.attn_q_norm.weight") != nil)
            table.set("use_parallel_residual", tensor("blk.0.ffn_norm.weight") == nil)
        default: break
        }
    }

    /// The window and which layers have it.
    /// - Returns: whether there is one.
    @discardableResult
    private func writeWindow(to table: inout ConfigurationTable) throws -> Bool {
        guard let window = try slidingWindow() else { return false }
        table.set("sliding_window", window)
        try writeSlidingLayers(to: &table)
        return true
    }
}
