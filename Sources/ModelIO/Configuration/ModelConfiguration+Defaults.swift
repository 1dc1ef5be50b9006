extension ModelConfiguration {
    /// What `transformers` 5.24 assumes where a configuration leaves a key out, by `model_type`; keys whose default is none
    /// or follows from others are not listed. Token ids are not assumed: a model says which tokens end its texts.
    static let referenceDefaults: [String: String] = [
        "llama": """
        {"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-6}
        """,
        "mistral": """
        {"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "hidden_act": "silu",
        "max_position_embeddings": 131072, "rms_norm_eps": 1e-6, "sliding_window": 4096}
        """,
        "mixtral": """
        {"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "hidden_act": "silu",
        "max_position_embeddings": 131072, "rms_norm_eps": 1e-5, "rope_theta": 1e6, "num_local_experts": 8,
        "num_experts_per_tok": 2}
        """,
        "qwen2": """
        {"vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 32, "hidden_act": "silu",
        "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "sliding_window": 4096}
        """,
        "qwen3": """
        {"vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": 128, "hidden_act": "silu",
        "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "sliding_window": 4096}
        """,
        "qwen2_moe": """
        {"vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 24,
        "num_attention_heads": 16, "num_key_value_heads": 16, "hidden_act": "silu",
        "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "sliding_window": 4096, "num_experts": 60,
        "num_experts_per_tok": 4, "moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632,
        "norm_topk_prob": false, "decoder_sparse_step": 1}
        """,
        "qwen3_moe": """
        {"vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 24,
        "num_attention_heads": 32, "num_key_value_heads": 4, "hidden_act": "silu",
        "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "sliding_window": 4096, "num_experts": 128,
        "num_experts_per_tok": 8, "moe_intermediate_size": 768, "norm_topk_prob": false, "decoder_sparse_step": 1}
        """,
        "phi3": """
        {"vocab_size": 32064, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
        "num_attention_heads": 32, "hidden_act": "silu", "max_position_embeddings": 4096,
        "original_max_position_embeddings": 4096, "rms_norm_eps": 1e-5}
        """,
        "gemma2": """
        {"vocab_size": 256000, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
        "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
        "hidden_activation": "gelu_pytorch_tanh", "max_position_embeddings": 8192, "rms_norm_eps": 1e-6,
        "query_pre_attn_scalar": 256, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0,
        "sliding_window": 4096}
        """,
        "gemma3_text": """
        {"vocab_size": 262208, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
        "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
        "hidden_activation": "gelu_pytorch_tanh", "max_position_embeddings": 131072, "rms_norm_eps": 1e-6,
        "query_pre_attn_scalar": 256, "sliding_window": 4096}
        """,
        "gpt2": """
        {"vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12, "activation_function": "gelu_new",
        "n_positions": 1024, "layer_norm_epsilon": 1e-5}
        """,
        "gpt_neox": """
        {"vocab_size": 50432, "hidden_size": 6144, "intermediate_size": 24576, "num_hidden_layers": 44,
        "num_attention_heads": 64, "hidden_act": "gelu", "max_position_embeddings": 2048, "layer_norm_eps": 1e-5,
        "rotary_pct": 0.25}
        """,
        "bert": """
        {"vocab_size": 30522, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 12, "hidden_act": "gelu", "max_position_embeddings": 512, "layer_norm_eps": 1e-12,
        "type_vocab_size": 2}
        """,
        "roberta": """
        {"vocab_size": 50265, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 12, "hidden_act": "gelu", "max_position_embeddings": 512, "layer_norm_eps": 1e-12,
        "type_vocab_size": 2}
        """,
        "xlm-roberta": """
        {"vocab_size": 30522, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 12, "hidden_act": "gelu", "max_position_embeddings": 512, "layer_norm_eps": 1e-12,
        "type_vocab_size": 2}
        """,
        "camembert": """
        {"vocab_size": 30522, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 12, "hidden_act": "gelu", "max_position_embeddings": 512, "layer_norm_eps": 1e-12,
        "type_vocab_size": 2}
        """,
        "electra": """
        {"vocab_size": 30522, "embedding_size": 128, "hidden_size": 256, "intermediate_size": 1024,
        "num_hidden_layers": 12, "num_attention_heads": 4, "hidden_act": "gelu", "max_position_embeddings": 512,
        "layer_norm_eps": 1e-12, "type_vocab_size": 2}
        """,
        "albert": """
        {"vocab_size": 30000, "embedding_size": 128, "hidden_size": 4096, "intermediate_size": 16384,
        "num_hidden_layers": 12, "num_hidden_groups": 1, "inner_group_num": 1, "num_attention_heads": 64,
        "hidden_act": "gelu_new", "max_position_embeddings": 512, "layer_norm_eps": 1e-12, "type_vocab_size": 2}
        """,
        "mpnet": """
        {"vocab_size": 30527, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 12, "hidden_act": "gelu", "max_position_embeddings": 512, "layer_norm_eps": 1e-12,
        "relative_attention_num_buckets": 32}
        """,
        "distilbert": """
        {"vocab_size": 30522, "dim": 768, "hidden_dim": 3072, "n_layers": 6, "n_heads": 12, "activation": "gelu",
        "max_position_embeddings": 512}
        """,
        "t5": """
        {"vocab_size": 32128, "d_model": 512, "d_ff": 2048, "d_kv": 64, "num_layers": 6, "num_heads": 8,
        "feed_forward_proj": "relu", "layer_norm_epsilon": 1e-6}
        """,
    ]
}
