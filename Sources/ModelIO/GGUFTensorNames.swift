/// The names that GGUF files give to tensors, and the Hugging Face names that `Models` loads them under.
struct GGUFTensorNames: Sendable {
    /// Names outside of layers, without `.weight`.
    let outer: [String: String]
    /// Names in a layer, without `.weight` or `.bias`.
    let inner: [String: String]
    /// What stands before the number of a layer.
    let layerPrefix: String

    /// The name for the model, or the name itself where the table has none.
    func translate(_ name: String) -> String {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        if parts.count == 2, let translated = outer[String(parts[0])] { return "\(translated).\(parts[1])" }
        guard parts.count == 4, parts[0] == "blk", let translated = inner[String(parts[2])] else { return name }
        return "\(layerPrefix)\(parts[1]).\(translated).\(parts[3])"
    }

    static let llama = GGUFTensorNames(
        outer: ["token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"],
        inner: [
            "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
            "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm",
            "attn_k_norm": "self_attn.k_norm", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
            "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
        ], layerPrefix: "model.layers.")

    static let gpt2 = GGUFTensorNames(
        outer: [
            "token_embd": "transformer.wte", "position_embd": "transformer.wpe", "output_norm": "transformer.ln_f",
            "output": "lm_head",
        ],
        inner: [
            "attn_norm": "ln_1", "attn_qkv": "attn.c_attn", "attn_output": "attn.c_proj", "ffn_norm": "ln_2",
            "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj",
        ], layerPrefix: "transformer.h.")

    /// For architectures that have no table: every name stays.
    static let none = GGUFTensorNames(outer: [:], inner: [:], layerPrefix: "")
}
