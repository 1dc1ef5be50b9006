import Testing

/// Configurations that are damaged, incomplete, or contradict themselves or the weights.
@Suite struct BrokenConfigurationTests {
    private static let file = "config.json"

    @Test(arguments: files + keys + contradictions) func brokenConfigurationsAreNamed(_ model: BrokenModel) throws {
        try model.expectFailure()
    }

    private static func setting(_ key: String, _ value: (any Sendable)?, naming culprits: [String]? = nil)
        -> BrokenModel
    {
        BrokenModel("\(key) = \(value.map { "\($0)" } ?? "absent")", naming: culprits ?? [file, key]) {
            try $0.editJSON(file) { $0[key] = value }
        }
    }

    private static let files: [BrokenModel] = [
        BrokenModel("no config.json", naming: [file]) { try $0.delete(file) },
        BrokenModel("config.json is a folder", naming: [file, "folder"]) { try $0.replaceByFolder(file) },
        BrokenModel("config.json is empty", naming: [file]) { try $0.write(file, "") },
        BrokenModel("config.json is cut off", naming: [file, "line"]) {
            try $0.write(file, "{\n\"model_type\": \"lla")
        },
        BrokenModel("config.json is a list", naming: [file]) { try $0.write(file, "[]") },
        BrokenModel("generation_config.json is damaged", naming: ["generation_config.json"]) {
            try $0.write("generation_config.json", "{\"eos_token_id\": }")
        },
    ]

    private static let keys: [BrokenModel] = [
        setting("model_type", nil),
        setting("model_type", 7),
        setting("model_type", "mamba", naming: ["mamba"]),
        setting("model_type", "llama\nerror: forged", naming: ["llama"]),
        // What is left out has the reference's default, which the weights contradict.
        setting("hidden_size", nil, naming: ["embed_tokens.weight", "4096"]),
        setting("hidden_size", 0),
        setting("hidden_size", -64),
        setting("hidden_size", "64"),
        setting("hidden_size", 64.5),
        setting("hidden_size", 1 << 60),
        setting("num_hidden_layers", nil, naming: ["layers.2."]),
        setting("num_hidden_layers", 1 << 40),
        setting("num_attention_heads", 0),
        setting("vocab_size", nil, naming: ["embed_tokens.weight", "32000"]),
        setting("rms_norm_eps", "small"),
        setting("hidden_act", "tangent", naming: [file, "tangent"]),
        setting("rope_theta", 0),
        setting("rope_scaling", ["rope_type": "spiral"], naming: [file, "spiral"]),
        setting("quantization_config", ["quant_method": "aqlm"], naming: [file, "aqlm"]),
    ]

    private static let contradictions: [BrokenModel] = [
        setting("num_key_value_heads", 3, naming: [file, "num_key_value_heads"]),
        // The weights say otherwise.
        setting("num_hidden_layers", 3, naming: ["model.layers.2."]),
        setting("vocab_size", 500, naming: ["embed_tokens.weight", "384", "500"]),
        setting("intermediate_size", 100, naming: ["mlp."]),
        setting("head_dim", 8, naming: ["q_proj.weight"]),
        setting("attention_bias", true, naming: ["q_proj.bias"]),
    ]
}
