internal import TensorCore

/// How a Hugging Face checkpoint of an architecture becomes GGUF: the keys, and the changes of tensors. The names are
/// those that ``GGUFArchitecture`` translates back. (convert_hf_to_gguf.py of llama.cpp)
struct GGUFExport: Sendable {
    /// How rows are reordered, for heads of the configuration's size.
    enum RowOrder: Sendable {
        /// The two halves of each head alternate.
        case alternatingHalves
        /// All queries, then all keys, then all values, where the checkpoint stores each key head's queries, key and
        /// value together.
        case byKeyHead
    }

    /// `general.architecture`.
    let architecture: String
    /// Names in a layer, without `.weight`, of matrices that the checkpoint stores `[K, N]`.
    var transposed: Set<String> = []
    /// Names in a layer, without `.weight` or `.bias`, of tensors whose rows have another order in the file.
    var reordered: [String: RowOrder] = [:]
    /// What is added to the checkpoint's weights of norms.
    var normOffset: Float = 0
    /// Tensors that the file must have: outside of layers, and in the first layer.
    var required = ["token_embd.weight", "output_norm.weight"]
    var requiredInLayers = "attn_norm.weight"
    /// The checkpoint's name of a matrix of query, key and value that the file stores as three, and the names for the
    /// three. Halves of queries and keys alternate in the file.
    var fusedProjections: String?
    var projections: [String] = []
    /// The checkpoint's names in a layer of matrices of gates above other rows, which the file stores apart, and the names
    /// for both.
    var halved: [String: [String]] = [:]
    /// The prefix of the numbers of layers in the file, for each side of the model.
    var layerPrefixes = ["blk."]
    /// Reads the configuration and writes the keys below the architecture's name.
    let write: @Sendable (ModelConfiguration, inout GGUFKeys) throws -> Void

    /// By `model_type`.
    static let known: [String: GGUFExport] = decoders.merging([
        "gpt2": GGUFExport(
            architecture: "gpt2", transposed: ["attn_qkv", "attn_output", "ffn_up", "ffn_down"],
            write: { try writeGPT2($0, &$1) }),
        "llama": llama, "mistral": llama,
        "qwen2": GGUFExport(architecture: "qwen2", write: { try writeLlama($0, &$1) }),
        "qwen3": GGUFExport(architecture: "qwen3", write: { try writeLlama($0, &$1) }),
        "phi3": GGUFExport(architecture: "phi3", write: { try writePhi3($0, &$1) }),
        "mixtral": GGUFExport(
            architecture: "llama", reordered: llama.reordered, write: { try writeMixture($0, &$1) }),
        "qwen2_moe": GGUFExport(architecture: "qwen2moe", write: { try writeMixture($0, &$1) }),
        "qwen3_moe": GGUFExport(architecture: "qwen3moe", write: { try writeMixture($0, &$1) }),
        "olmoe": GGUFExport(architecture: "olmoe", write: { try writeMixture($0, &$1) }),
        "gemma2": GGUFExport(architecture: "gemma2", normOffset: 1, write: { try writeGemma($0, &$1) }),
        "gemma3": gemma3, "gemma3_text": gemma3,
        "gpt_neox": GGUFExport(
            architecture: "gptneox", reordered: ["attn_qkv": .byKeyHead], write: { try writeGPTNeoX($0, &$1) }),
        "bert": bert, "roberta": bert, "xlm-roberta": bert, "distilbert": bert, "t5": t5, "mt5": t5,
    ]) { _, own in own }

    private static let llama = GGUFExport(
        architecture: "llama", reordered: ["attn_q": .alternatingHalves, "attn_k": .alternatingHalves],
        write: { try writeLlama($0, &$1) })

    private static let gemma3 = GGUFExport(
        architecture: "gemma3", normOffset: 1, write: { try writeGemma($0, &$1) })

    private static let bert = GGUFExport(
        architecture: "bert", required: ["token_embd.weight", "position_embd.weight", "token_embd_norm.weight"],
        requiredInLayers: "attn_output_norm.weight", write: { try writeBert($0, &$1) })

    private static let t5 = GGUFExport(
        architecture: "t5", required: ["token_embd.weight", "enc.output_norm.weight", "dec.output_norm.weight"],
        layerPrefixes: ["enc.blk.", "dec.blk."], write: { try writeT5($0, &$1) })

    static func of(_ configuration: ModelConfiguration) throws -> GGUFExport {
        guard let export = known[configuration.modelType] else {
            throw LoadError.unsupportedValue(
                path: configuration.path, key: "model_type", value: printable(configuration.modelType),
                supported: known.keys.sorted())
        }
        return export
    }
}

/// The keys of a file while it is made, and the tensors that belong to them.
struct GGUFKeys {
    let architecture: String
    private(set) var entries: [(key: String, value: GGUFEncodedValue)] = []
    /// Vectors that are stored as tensors but belong to the metadata.
    var vectors: [(name: String, values: [Float])] = []
    /// Factors from the checkpoint's weights to the file's, by names in a layer.
    var scales: [String: Float] = [:]
    /// How many of the checkpoint's first rows the file leaves out, by names outside of layers.
    var leftOutRows: [String: Int] = [:]
    /// The name under which `Models` loads a tensor of the checkpoint; `nil`: the file does not have it.
    var translate: @Sendable (_ name: String) -> String? = { $0 }
    /// The number of the decoder's layers, where it differs from the encoder's.
    var decoderLayerCount: Int?
    /// The experts of a mixture; 0: no mixture.
    var expertCount = 0
    var notices: [String] = []

    init(architecture: String) { self.architecture = architecture }

    mutating func set(_ name: String, _ value: GGUFEncodedValue) { entries.append(("\(architecture).\(name)", value)) }

    mutating func set(_ name: String, _ size: Int) { set(name, .uint32(UInt32(clamping: size))) }

    mutating func set(_ name: String, _ number: Double) { set(name, .float32(Float(number))) }

    mutating func set(_ name: String, _ flag: Bool) { set(name, .bool(flag)) }

    /// A key of the tokenizer whose value the configuration has.
    mutating func setTokenizer(_ name: String, _ size: Int) {
        entries.append(("tokenizer.ggml.\(name)", .uint32(UInt32(clamping: size))))
    }
}

extension GGUFExport {
    // MARK: Llama and models of its shape

    static func writeLlama(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        try writeLlamaSizes(file, &keys)
        if let window = try window(file) {
            keys.notices.append(
                "\(file.path): the sliding window of \(window) tokens has no key in GGUF files of this architecture; "
                    + "contexts longer than it see all of their tokens")
        }
    }

    private static func writePhi3(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        try writeLlamaSizes(file, &keys)
        // Zero means none.
        keys.set("attention.sliding_window", try file.slidingWindow() ?? 0)
    }

    static func writeLlamaSizes(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        try writeDecoderSizes(file, &keys)
        try writeRope(file.rope(headSize: file.attentionGeometry().headSize), file, &keys)
        try require(file, "hidden_act", among: ["silu", "swish"])
    }

    /// - Parameter layerNormKey: the configuration's key of its LayerNorms' epsilon; `nil`: its norms are RMSNorms.
    static func writeDecoderSizes(
        _ file: ModelConfiguration, layerNormKey: String? = nil, _ keys: inout GGUFKeys
    ) throws {
        let geometry = try file.attentionGeometry()
        let layerCount = try file.keys.size("num_hidden_layers", maximum: SizeLimit.layers)
        keys.set("block_count", layerCount)
        keys.set("context_length", try file.keys.size("max_position_embeddings", maximum: SizeLimit.positions))
        keys.set("embedding_length", geometry.hiddenSize)
        let inner = try file.keys.optionalSize("intermediate_size", "ffn_hidden_size")
        guard let inner = inner ?? (file.modelType == "falcon" ? 4 * geometry.hiddenSize : nil) else {
            throw file.keys.missing(["intermediate_size"])
        }
        keys.set("feed_forward_length", inner)
        keys.set("attention.head_count", geometry.headCount)
        keys.set("attention.head_count_kv", geometry.keyValueHeadCount)
        let epsilon = try file.keys.number(layerNormKey ?? "rms_norm_eps", in: NumberRange.positive)
        keys.set("attention.layer_norm_\(layerNormKey == nil ? "rms_" : "")epsilon", epsilon)
        if geometry.querySize != geometry.hiddenSize || file.keys.value("head_dim") != nil {
            keys.set("attention.key_length", geometry.headSize)
            keys.set("attention.value_length", geometry.headSize)
        }
        keys.set("vocab_size", try file.keys.size("vocab_size", maximum: SizeLimit.vocabulary))
    }

    private static func window(_ file: ModelConfiguration) throws -> Int? {
        guard file.modelType != "llama",
            try file.keys.flag("use_sliding_window", default: !file.modelType.hasPrefix("qwen"))
        else { return nil }
        return try file.slidingWindow()
    }

    static func writeRope(_ rope: RopeConfiguration, _ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        // Halves alternate within whole heads.
        let headSize = try file.attentionGeometry().headSize
        guard rope.rotarySize == headSize || GGUFArchitecture.known[keys.architecture]?.hasInterleavedRope != true
        else {
            throw LoadError.unsupportedValue(
                path: file.path, key: "partial_rotary_factor", value: "\(Double(rope.rotarySize) / Double(headSize))",
                supported: ["1"])
        }
        keys.set("rope.dimension_count", rope.rotarySize)
        keys.set("rope.freq_base", rope.base)
        switch rope.scaling {
        case .none, .dynamic: break
        case .linear(let factor):
            keys.set("rope.scaling.type", .string("linear"))
            keys.set("rope.scaling.factor", factor)
        case .llama3, .factors:
            let plain = RopeConfiguration(base: rope.base, rotarySize: rope.rotarySize).inverseFrequencies()
            keys.vectors.append(("rope_freqs.weight", zip(plain, rope.inverseFrequencies()).map { Float($0 / $1) }))
        case .longRope(let scaling):
            keys.set("rope.scaling.attn_factor", scaling.attentionFactor)
            keys.set("rope.scaling.original_context_length", scaling.originalContext)
            keys.vectors.append(("rope_factors_long.weight", scaling.longFactors.map(Float.init)))
            keys.vectors.append(("rope_factors_short.weight", scaling.shortFactors.map(Float.init)))
        case .yarn(let yarn):
            guard yarn.truncates, yarn.attentionFactor == nil, yarn.mscale == nil, yarn.mscaleAllDimensions == nil
            else {
                throw LoadError.unsupportedValue(
                    path: file.path, key: "rope_scaling", value: "yarn with an attention factor of its own",
                    supported: ["yarn with factor, beta_fast and beta_slow"])
            }
            keys.set("rope.scaling.type", .string("yarn"))
            keys.set("rope.scaling.factor", yarn.factor)
            keys.set("rope.scaling.original_context_length", yarn.originalContext)
            keys.set("rope.scaling.yarn_beta_fast", yarn.betaFast)
            keys.set("rope.scaling.yarn_beta_slow", yarn.betaSlow)
        }
    }

    // MARK: GPT-NeoX

    private static func writeGPTNeoX(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        let geometry = try file.attentionGeometry()
        keys.set("block_count", try file.keys.size("num_hidden_layers", maximum: SizeLimit.layers))
        keys.set("context_length", try file.keys.size("max_position_embeddings", maximum: SizeLimit.positions))
        keys.set("embedding_length", geometry.hiddenSize)
        keys.set("feed_forward_length", try file.keys.size("intermediate_size"))
        keys.set("attention.head_count", geometry.headCount)
        keys.set("attention.layer_norm_epsilon", try file.keys.number("layer_norm_eps", in: NumberRange.positive))
        keys.set("use_parallel_residual", try file.keys.flag("use_parallel_residual", default: true))
        keys.set("vocab_size", try file.keys.size("vocab_size", maximum: SizeLimit.vocabulary))
        try writeRope(file.rope(headSize: geometry.headSize), file, &keys)
        // Files do not store the kind of GELU; readers assume the one that nearly all of these models have.
        try require(file, "hidden_act", among: ["gelu"])
    }

    // MARK: GPT-2

    static func writeGPT2(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        let geometry = try file.attentionGeometry()
        keys.set("block_count", try file.keys.size("n_layer", "num_hidden_layers", maximum: SizeLimit.layers))
        keys.set(
            "context_length",
            try file.keys.size("n_positions", "n_ctx", "max_position_embeddings", maximum: SizeLimit.positions))
        keys.set("embedding_length", geometry.hiddenSize)
        keys.set("feed_forward_length", try file.keys.optionalSize("n_inner") ?? 4 * geometry.hiddenSize)
        keys.set("attention.head_count", geometry.headCount)
        keys.set("attention.layer_norm_epsilon", try file.keys.number("layer_norm_epsilon", in: NumberRange.positive))
        keys.set("vocab_size", try file.keys.size("vocab_size", maximum: SizeLimit.vocabulary))
        if file.modelType == "gpt_bigcode" { keys.set("attention.head_count_kv", geometry.keyValueHeadCount) }
        try require(file, "activation_function", among: ["gelu_new", "gelu_pytorch_tanh", "gelu_fast"])
        for (key, value) in [("scale_attn_weights", true), ("scale_attn_by_inverse_layer_idx", false)] {
            guard try file.keys.flag(key, default: value) == value else {
                throw LoadError.unsupportedValue(path: file.path, key: key, value: "\(!value)", supported: ["\(value)"])
            }
        }
    }

    static func require(_ file: ModelConfiguration, _ key: String, among names: [String]) throws {
        let name = try file.keys.string(key)
        guard names.contains(name) else {
            throw LoadError.unsupportedValue(path: file.path, key: key, value: printable(name), supported: names)
        }
    }
}
