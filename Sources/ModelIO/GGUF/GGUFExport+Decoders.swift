internal import TensorCore

// Decoders that are built like Llama or GPT and have other keys.

extension GGUFExport {
    /// By `model_type`.
    static let decoders: [String: GGUFExport] = [
        "gemma": GGUFExport(architecture: "gemma", normOffset: 1, write: { try writeFirstGemma($0, &$1) }),
        "smollm3": GGUFExport(
            architecture: "smollm3", reordered: alternating, write: { try writeSmolLM3($0, &$1) }),
        "granite": GGUFExport(
            architecture: "granite", reordered: alternating, write: { try writeGranite($0, &$1) }),
        "granitemoe": graniteMixture, "granitemoeshared": graniteMixture,
        "internlm2": GGUFExport(
            architecture: "internlm2", fusedProjections: "attention.wqkv",
            projections: ["attention.wq", "attention.wk", "attention.wv"], write: { try writeLlama($0, &$1) }),
        "olmo2": olmo, "olmo3": olmo,
        "exaone4": GGUFExport(
            architecture: "exaone4", requiredInLayers: "post_attention_norm.weight", write: { try writeExaone($0, &$1) }
        ),
        "cohere": GGUFExport(architecture: "command-r", write: { try writeCohere($0, &$1) }),
        "cohere2": GGUFExport(architecture: "cohere2", write: { try writeCohere($0, &$1) }),
        "glm4": GGUFExport(architecture: "glm4", write: { try writeGLM4($0, &$1) }),
        "starcoder2": GGUFExport(architecture: "starcoder2", write: { try writeStarCoder2($0, &$1) }),
        "gpt_bigcode": GGUFExport(architecture: "starcoder", write: { try writeBigCode($0, &$1) }),
        "falcon": GGUFExport(
            architecture: "falcon", reordered: ["attn_qkv": .byKeyHead], write: { try writeFalcon($0, &$1) }),
        "phi": GGUFExport(architecture: "phi2", write: { try writePhi($0, &$1) }),
        "stablelm": GGUFExport(architecture: "stablelm", write: { try writeStableLM($0, &$1) }),
    ]

    private static let alternating: [String: RowOrder] = [
        "attn_q": .alternatingHalves, "attn_k": .alternatingHalves,
    ]

    private static let graniteMixture = GGUFExport(
        architecture: "granitemoe", reordered: alternating,
        halved: [
            "block_sparse_moe.input_linear": ["mlp.experts.gate_proj", "mlp.experts.up_proj"],
            "shared_mlp.input_linear": ["mlp.shared_expert.gate_proj", "mlp.shared_expert.up_proj"],
        ], write: { try writeGraniteMixture($0, &$1) })

    private static let olmo = GGUFExport(
        architecture: "olmo2", requiredInLayers: "post_attention_norm.weight", write: { try writeOLMo($0, &$1) })

    private static func requireFlag(_ file: ModelConfiguration, _ key: String, _ value: Bool) throws {
        guard try file.keys.flag(key, default: value) == value else {
            throw LoadError.unsupportedValue(path: file.path, key: key, value: "\(!value)", supported: ["\(value)"])
        }
    }

    private static func unsupported(_ file: ModelConfiguration, _ key: String, _ supported: String) -> LoadError {
        .unsupportedValue(path: file.path, key: key, value: "another value", supported: [supported])
    }

    // MARK: With RMSNorm

    private static func writeFirstGemma(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        try writeDecoderSizes(file, &keys)
        try writeRope(file.rope(headSize: file.attentionGeometry().headSize), file, &keys)
        let key = file.keys.value("hidden_activation") == nil ? "hidden_act" : "hidden_activation"
        try require(file, key, among: ["gelu_pytorch_tanh", "gelu_new"])
    }

    /// Readers assume that every fourth layer has no positions.
    private static func writeSmolLM3(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        try writeLlama(file, &keys)
        let flags = try file.keys.integers("no_rope_layers", in: 0...1)
        let interval = try file.keys.optionalSize("no_rope_layer_interval", maximum: SizeLimit.layers) ?? 4
        let isUsual = flags.map { zip(1..., $0).allSatisfy { ($0 % 4 == 0) == ($1 == 0) } } ?? (interval == 4)
        guard isUsual else { throw unsupported(file, "no_rope_layers", "every fourth layer") }
    }

    private static func writeGranite(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        try writeLlama(file, &keys)
        for (ours, theirs) in GGUFArchitecture.graniteScales {
            keys.set(theirs, try file.keys.optionalNumber(ours, in: NumberRange.positive) ?? 1)
        }
    }

    private static func writeGraniteMixture(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        try writeGranite(file, &keys)
        try writeExperts(file, &keys)
        let names = [
            ("block_sparse_moe.router.layer", "mlp.gate"), ("block_sparse_moe.output_linear", "mlp.experts.down_proj"),
            ("shared_mlp.output_linear", "mlp.shared_expert.down_proj"),
        ]
        keys.translate = { stored in names.reduce(stored) { $0.replacing($1.0, with: $1.1) } }
    }

    private static func writeOLMo(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        try writeDecoderSizes(file, &keys)
        try require(file, "hidden_act", among: ["silu", "swish"])
        try requireFlag(file, "attention_bias", false)
        let headSize = try file.attentionGeometry().headSize
        guard file.modelType == "olmo3" else { return try writeRope(file.rope(headSize: headSize), file, &keys) }
        try writeRope(file.rope(headSize: headSize, layerType: "full_attention"), file, &keys)
        try writeWindows(file, period: 4, &keys)
    }

    private static func writeExaone(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        try writeLlamaSizes(file, &keys)
        if try file.slidingWindow() != nil { try writeWindows(file, period: 4, &keys) }
    }

    private static func writeGLM4(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        try writeDecoderSizes(file, &keys)
        try writeRope(file.rope(headSize: file.attentionGeometry().headSize, defaultFraction: 0.5), file, &keys)
        try require(file, "hidden_act", among: ["silu", "swish"])
    }

    // MARK: With LayerNorm

    private static func writeCohere(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        try writeDecoderSizes(file, layerNormKey: "layer_norm_eps", &keys)
        try writeRope(file.rope(headSize: file.attentionGeometry().headSize), file, &keys)
        try require(file, "hidden_act", among: ["silu", "swish"])
        keys.set("logit_scale", try file.keys.optionalNumber("logit_scale", in: NumberRange.positive) ?? 0.0625)
        if file.modelType == "cohere2" { try writeWindows(file, period: 4, &keys) }
    }

    private static func writeStarCoder2(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        try writeDecoderSizes(file, layerNormKey: "norm_epsilon", &keys)
        try writeRope(file.rope(headSize: file.attentionGeometry().headSize), file, &keys)
        try require(file, "hidden_act", among: ["gelu_pytorch_tanh", "gelu_new"])
        if let window = try file.slidingWindow() {
            keys.notices.append(
                "\(file.path): the sliding window of \(window) tokens has no key in GGUF files of this architecture; "
                    + "contexts longer than it see all of their tokens")
        }
    }

    private static func writeBigCode(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        try requireFlag(file, "multi_query", true)
        try writeGPT2(file, &keys)
    }

    private static func writeFalcon(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        for (key, value) in [("alibi", false), ("parallel_attn", true), ("bias", false)] {
            try requireFlag(file, key, value)
        }
        try writeDecoderSizes(file, layerNormKey: "layer_norm_epsilon", &keys)
        try writeRope(file.rope(headSize: file.attentionGeometry().headSize), file, &keys)
        keys.set("tensor_data_layout", .string("jploski"))
        // The norm before the feed-forward part has the name of the norm that serves both parts.
        keys.translate = { $0.replacing(".ln_mlp.", with: ".input_layernorm.") }
    }

    private static func writePhi(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        try requireFlag(file, "qk_layernorm", false)
        try writeDecoderSizes(file, layerNormKey: "layer_norm_eps", &keys)
        try writeRope(file.rope(headSize: file.attentionGeometry().headSize, defaultFraction: 0.5), file, &keys)
        try require(file, "hidden_act", among: ["gelu_new", "gelu_pytorch_tanh"])
    }

    private static func writeStableLM(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        try requireFlag(file, "qk_layernorm", false)
        try writeDecoderSizes(file, layerNormKey: "layer_norm_eps", &keys)
        try writeRope(file.rope(headSize: file.attentionGeometry().headSize, defaultFraction: 0.25), file, &keys)
        try require(file, "hidden_act", among: ["silu", "swish"])
        keys.set("use_parallel_residual", try file.keys.flag("use_parallel_residual", default: false))
    }
}
