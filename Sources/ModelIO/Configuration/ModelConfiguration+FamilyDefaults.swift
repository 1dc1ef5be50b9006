extension ModelConfiguration {
    /// The defaults of a `model_type`, as the text of an object, or nil.
    static func referenceDefaults(of modelType: String) -> String? {
        referenceDefaults[modelType] ?? familyDefaults[modelType] ?? encoderDecoderDefaults[modelType]
    }

    /// As ``referenceDefaults``, for further decoders.
    private static let familyDefaults: [String: String] = [
        "gemma": """
        {"vocab_size": 256000, "hidden_size": 3072, "intermediate_size": 24576, "num_hidden_layers": 28,
        "num_attention_heads": 16, "num_key_value_heads": 16, "head_dim": 256,
        "max_position_embeddings": 8192, "rms_norm_eps": 1e-6}
        """,
        "cohere": """
        {"vocab_size": 256000, "hidden_size": 8192, "intermediate_size": 22528, "num_hidden_layers": 40,
        "num_attention_heads": 64, "hidden_act": "silu", "max_position_embeddings": 8192, "layer_norm_eps": 1e-5,
        "rope_theta": 500000.0, "logit_scale": 0.0625}
        """,
        "cohere2": """
        {"vocab_size": 256000, "hidden_size": 8192, "intermediate_size": 22528, "num_hidden_layers": 40,
        "num_attention_heads": 64, "hidden_act": "silu", "max_position_embeddings": 8192, "layer_norm_eps": 1e-5,
        "logit_scale": 0.0625, "sliding_window": 4096}
        """,
        "exaone4": """
        {"vocab_size": 102400, "hidden_size": 4096, "intermediate_size": 16384, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 32, "hidden_act": "silu",
        "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "sliding_window": 4096}
        """,
        "falcon": """
        {"vocab_size": 65024, "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71,
        "max_position_embeddings": 2048, "layer_norm_epsilon": 1e-5}
        """,
        "gpt_bigcode": """
        {"vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12,
        "activation_function": "gelu_pytorch_tanh", "n_positions": 1024, "layer_norm_epsilon": 1e-5}
        """,
        "gptj": """
        {"vocab_size": 50400, "n_embd": 4096, "n_layer": 28, "n_head": 16, "activation_function": "gelu_new",
        "n_positions": 2048, "layer_norm_epsilon": 1e-5, "rotary_dim": 64}
        """,
        "glm": glm, "glm4": glm,
        "granite": """
        {"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-6,
        "embedding_multiplier": 1.0, "residual_multiplier": 1.0, "attention_multiplier": 1.0,
        "logits_scaling": 1.0}
        """,
        "granitemoe": graniteMixture, "granitemoeshared": graniteMixture,
        "olmo2": """
        {"vocab_size": 50304, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-5}
        """,
        "olmo3": """
        {"vocab_size": 50304, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-5,
        "sliding_window": 4096, "rope_theta": 500000.0}
        """,
        "olmoe": """
        {"vocab_size": 50304, "hidden_size": 2048, "intermediate_size": 2048, "num_hidden_layers": 16,
        "num_attention_heads": 16, "hidden_act": "silu", "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
        "num_experts": 64, "num_experts_per_tok": 8, "norm_topk_prob": false}
        """,
        "opt": """
        {"vocab_size": 50272, "hidden_size": 768, "ffn_dim": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 12, "activation_function": "relu", "max_position_embeddings": 2048}
        """,
        "phi": """
        {"vocab_size": 51200, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 24,
        "num_attention_heads": 32, "hidden_act": "gelu_new", "max_position_embeddings": 2048,
        "layer_norm_eps": 1e-5}
        """,
        "smollm3": """
        {"vocab_size": 128256, "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36,
        "num_attention_heads": 16, "num_key_value_heads": 4, "hidden_act": "silu",
        "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 2000000.0}
        """,
        "stablelm": """
        {"vocab_size": 50304, "hidden_size": 2560, "intermediate_size": 6912, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 32, "hidden_act": "silu",
        "max_position_embeddings": 4096, "layer_norm_eps": 1e-5}
        """,
        "starcoder2": """
        {"vocab_size": 49152, "hidden_size": 3072, "intermediate_size": 12288, "num_hidden_layers": 30,
        "num_attention_heads": 24, "num_key_value_heads": 2, "hidden_act": "gelu_pytorch_tanh",
        "max_position_embeddings": 4096, "norm_epsilon": 1e-5}
        """,
    ]

    private static let glm = """
        {"vocab_size": 151552, "hidden_size": 4096, "intermediate_size": 13696, "num_hidden_layers": 40,
        "num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128, "hidden_act": "silu",
        "max_position_embeddings": 131072, "rms_norm_eps": 1.5625e-07, "attention_bias": true}
        """

    private static let graniteMixture = """
        {"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-6,
        "embedding_multiplier": 1.0, "residual_multiplier": 1.0, "attention_multiplier": 1.0,
        "logits_scaling": 1.0, "num_local_experts": 8, "num_experts_per_tok": 2}
        """

    private static let encoderDecoderDefaults: [String: String] = [
        "mt5": """
        {"vocab_size": 250112, "d_model": 512, "d_ff": 1024, "d_kv": 64, "num_layers": 8, "num_heads": 6,
        "feed_forward_proj": "gated-gelu", "layer_norm_epsilon": 1e-6}
        """,
        "bart": bart(vocabularySize: 50265), "mbart": bart(vocabularySize: 50265),
        "marian": bart(vocabularySize: 58101), "pegasus": bart(vocabularySize: 50265),
        "m2m_100": bart(vocabularySize: 128112, activation: "relu", scalesEmbedding: true),
    ]

    private static func bart(
        vocabularySize: Int, activation: String = "gelu", scalesEmbedding: Bool = false
    ) -> String {
        """
        {"vocab_size": \(vocabularySize), "d_model": 1024, "encoder_layers": 12, "encoder_ffn_dim": 4096,
        "encoder_attention_heads": 16, "decoder_layers": 12, "decoder_ffn_dim": 4096,
        "decoder_attention_heads": 16, "max_position_embeddings": 1024,
        "activation_function": "\(activation)", "scale_embedding": \(scalesEmbedding)}
        """
    }
}
