/// The names that GGUF files give to tensors, and the Hugging Face names that `Models` loads them under.
struct GGUFTensorNames: Sendable {
    /// Names outside of layers, without `.weight`.
    let outer: [String: String]
    /// Names in a layer, without `.weight` or `.bias`.
    let inner: [String: String]
    /// The prefix of a layer's number.
    let layerPrefix: String
    /// The names of the sides of an encoder-decoder, by what stands before them in files.
    var sides: [String: GGUFTensorNames] = [:]

    /// The name for the model, or the name itself where the table has none.
    func translate(_ name: String) -> String {
        for (prefix, side) in sides where name.hasPrefix(prefix) {
            return side.translate(String(name.dropFirst(prefix.count)))
        }
        if let dot = name.lastIndex(of: "."), let translated = outer[String(name[..<dot])] {
            return translated + name[dot...]
        }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        // The first files of mixtures had one matrix for each expert.
        if parts.count == 5, parts[0] == "blk", let stacked = inner["\(parts[2])_exps"] {
            let path = stacked.split(separator: ".")
            return "\(layerPrefix)\(parts[1]).\(path.dropLast().joined(separator: ".")).\(parts[3])."
                + "\(path.last ?? "").\(parts[4])"
        }
        guard parts.count == 4, parts[0] == "blk", let translated = inner[String(parts[2])] else { return name }
        return "\(layerPrefix)\(parts[1]).\(translated).\(parts[3])"
    }

    private static let llamaOuter = [
        "token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head",
    ]

    private static let llamaInner = [
        "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj", "attn_qkv": "self_attn.qkv_proj", "attn_output": "self_attn.o_proj",
        "attn_q_norm": "self_attn.q_norm",
        "attn_k_norm": "self_attn.k_norm", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "ffn_gate_inp": "mlp.gate",
        "ffn_gate_exps": "mlp.experts.gate_proj", "ffn_up_exps": "mlp.experts.up_proj",
        "ffn_down_exps": "mlp.experts.down_proj", "ffn_gate_shexp": "mlp.shared_expert.gate_proj",
        "ffn_up_shexp": "mlp.shared_expert.up_proj", "ffn_down_shexp": "mlp.shared_expert.down_proj",
        "ffn_gate_inp_shexp": "mlp.shared_expert_gate",
    ]

    /// Llama's names, some of them replaced.
    private static func likeLlama(_ others: [String: String], without missing: Set<String> = []) -> GGUFTensorNames {
        GGUFTensorNames(
            outer: llamaOuter,
            inner: llamaInner.filter { !missing.contains($0.key) }.merging(others) { _, other in other },
            layerPrefix: "model.layers.")
    }

    static let llama = likeLlama([:])

    /// Query, key and value in one matrix, gate and up projection in another.
    static let phi3 = likeLlama(["attn_qkv": "self_attn.qkv_proj", "ffn_up": "mlp.gate_up_proj"])

    /// A norm before and one behind each sublayer.
    static let gemma = likeLlama([
        "post_attention_norm": "post_attention_layernorm", "ffn_norm": "pre_feedforward_layernorm",
        "post_ffw_norm": "post_feedforward_layernorm",
    ])

    /// Norms behind the sublayers only.
    static let normsBehind = likeLlama(
        [
            "post_attention_norm": "post_attention_layernorm", "post_ffw_norm": "post_feedforward_layernorm",
        ], without: ["attn_norm", "ffn_norm"])

    static let glm4 = likeLlama([
        "post_attention_norm": "post_self_attn_layernorm", "ffn_up": "mlp.gate_up_proj",
        "post_ffw_norm": "post_mlp_layernorm",
    ])

    static let starCoder2 = likeLlama(["ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj"])

    static let stableLM = likeLlama(["attn_q_norm": "self_attn.q_layernorm", "attn_k_norm": "self_attn.k_layernorm"])

    static let phi2 = GGUFTensorNames(
        outer: llamaOuter.merging(["output_norm": "model.final_layernorm"]) { _, other in other },
        inner: llamaInner.merging(
            ["attn_output": "self_attn.dense", "ffn_up": "mlp.fc1", "ffn_down": "mlp.fc2"]) { _, other in other },
        layerPrefix: "model.layers.")

    static let internLM2 = GGUFTensorNames(
        outer: ["token_embd": "model.tok_embeddings", "output_norm": "model.norm", "output": "output"],
        inner: [
            "attn_norm": "attention_norm", "attn_q": "attention.wq", "attn_k": "attention.wk", "attn_v": "attention.wv",
            "attn_output": "attention.wo", "ffn_norm": "ffn_norm", "ffn_gate": "feed_forward.w1",
            "ffn_up": "feed_forward.w3", "ffn_down": "feed_forward.w2",
        ], layerPrefix: "model.layers.")

    private static func falcon(norms: [String: String]) -> GGUFTensorNames {
        GGUFTensorNames(
            outer: [
                "token_embd": "transformer.word_embeddings", "output_norm": "transformer.ln_f", "output": "lm_head",
            ],
            inner: [
                "attn_qkv": "self_attention.query_key_value", "attn_output": "self_attention.dense",
                "ffn_up": "mlp.dense_h_to_4h", "ffn_down": "mlp.dense_4h_to_h",
            ].merging(norms) { own, _ in own }, layerPrefix: "transformer.h.")
    }

    static let falcon = falcon(norms: ["attn_norm": "input_layernorm", "attn_norm_2": "ln_attn"])

    /// Where there are two norms, the second one is the attention's.
    static let falconWithTwoNorms = falcon(norms: ["attn_norm": "ln_mlp", "attn_norm_2": "ln_attn"])

    static let gptNeoX = GGUFTensorNames(
        outer: [
            "token_embd": "gpt_neox.embed_in", "output_norm": "gpt_neox.final_layer_norm", "output": "embed_out",
        ],
        inner: [
            "attn_norm": "input_layernorm", "attn_qkv": "attention.query_key_value", "attn_output": "attention.dense",
            "ffn_norm": "post_attention_layernorm", "ffn_up": "mlp.dense_h_to_4h", "ffn_down": "mlp.dense_4h_to_h",
        ], layerPrefix: "gpt_neox.layers.")

    static let gpt2 = GGUFTensorNames(
        outer: [
            "token_embd": "transformer.wte", "position_embd": "transformer.wpe", "output_norm": "transformer.ln_f",
            "output": "lm_head",
        ],
        inner: [
            "attn_norm": "ln_1", "attn_qkv": "attn.c_attn", "attn_output": "attn.c_proj", "ffn_norm": "ln_2",
            "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj",
        ], layerPrefix: "transformer.h.")

    /// A head that classifies is a layer and a classifier. The layer is BERT's pooler, or RoBERTa's own.
    static let bert = GGUFTensorNames(
        outer: [
            "token_embd": "embeddings.word_embeddings", "position_embd": "embeddings.position_embeddings",
            "token_types": "embeddings.token_type_embeddings", "token_embd_norm": "embeddings.LayerNorm",
            "cls": "classifier.dense", "cls.output": "classifier.out_proj",
        ],
        inner: [
            "attn_q": "attention.self.query", "attn_k": "attention.self.key", "attn_v": "attention.self.value",
            "attn_output": "attention.output.dense", "attn_output_norm": "attention.output.LayerNorm",
            "ffn_up": "intermediate.dense", "ffn_down": "output.dense", "layer_output_norm": "output.LayerNorm",
        ], layerPrefix: "encoder.layer.")

    /// The names of the feed-forward part: the one matrix, or that of the gate and the other.
    private static func t5FeedForward(_ layer: Int) -> [String: String] {
        [
            "ffn_norm": "layer.\(layer).layer_norm", "ffn_gate": "layer.\(layer).DenseReluDense.wi_0",
            "ffn_up": "layer.\(layer).DenseReluDense.wi_1", "ffn_down": "layer.\(layer).DenseReluDense.wo",
        ]
    }

    private static let t5Attention = [
        "attn_norm": "layer.0.layer_norm", "attn_q": "layer.0.SelfAttention.q", "attn_k": "layer.0.SelfAttention.k",
        "attn_v": "layer.0.SelfAttention.v", "attn_o": "layer.0.SelfAttention.o",
        "attn_rel_b": "layer.0.SelfAttention.relative_attention_bias",
    ]

    private static let t5CrossAttention = [
        "cross_attn_norm": "layer.1.layer_norm", "cross_attn_q": "layer.1.EncDecAttention.q",
        "cross_attn_k": "layer.1.EncDecAttention.k", "cross_attn_v": "layer.1.EncDecAttention.v",
        "cross_attn_o": "layer.1.EncDecAttention.o",
    ]

    private static func t5Side(_ name: String, _ inner: [String: String]) -> GGUFTensorNames {
        GGUFTensorNames(
            outer: ["output_norm": "\(name).final_layer_norm"], inner: inner, layerPrefix: "\(name).block.")
    }

    static let t5 = GGUFTensorNames(
        outer: ["token_embd": "shared", "output": "lm_head"], inner: [:], layerPrefix: "",
        sides: [
            "enc.": t5Side("encoder", t5Attention.merging(t5FeedForward(1)) { own, _ in own }),
            "dec.": t5Side(
                "decoder",
                t5Attention.merging(t5CrossAttention) { own, _ in own }.merging(t5FeedForward(2)) { own, _ in own }),
        ])

    /// For architectures that have no table: every name stays.
    static let none = GGUFTensorNames(outer: [:], inner: [:], layerPrefix: "")
}
