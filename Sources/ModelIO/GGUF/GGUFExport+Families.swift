internal import TensorCore

// Keys of mixtures of experts and of Gemma.

extension GGUFExport {
    // MARK: Mixtral, Qwen2-MoE, Qwen3-MoE, OLMoE

    static func writeMixture(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        try writeLlamaSizes(file, &keys)
        try writeExperts(file, &keys)
        guard file.modelType != "mixtral" else { return }
        keys.set("expert_feed_forward_length", try file.keys.size("moe_intermediate_size", "intermediate_size"))
        // Of Qwen3-MoE readers normalise the weights of a token's experts to a sum of 1, of the others they do not.
        let normalizes = file.modelType == "qwen3_moe"
        guard try file.keys.flag("norm_topk_prob", default: false) == normalizes else {
            throw LoadError.unsupportedValue(
                path: file.path, key: "norm_topk_prob", value: "\(!normalizes)", supported: ["\(normalizes)"])
        }
    }

    static func writeExperts(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        keys.expertCount = try file.keys.size("num_local_experts", "num_experts", maximum: SizeLimit.heads)
        keys.set("expert_count", keys.expertCount)
        keys.set("expert_used_count", try file.keys.size("num_experts_per_tok", maximum: keys.expertCount))
        if let size = try file.sharedExpertSize() { keys.set("expert_shared_feed_forward_length", size) }
    }

    // MARK: Gemma 2 and 3

    static func writeGemma(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        let isThird = keys.architecture == "gemma3"
        let headSize = try file.attentionGeometry().headSize
        try writeDecoderSizes(file, &keys)
        try require(file, "hidden_activation", among: ["gelu_pytorch_tanh"])
        try writeCaps(file, isThird: isThird, &keys)
        try writeWindows(file, isThird: isThird, &keys)
        try writeQueryScale(file, isThird: isThird, &keys)
        let (global, local) = try file.gemmaRopes(headSize: headSize, isThird: isThird)
        try writeRope(global, file, &keys)
        guard isThird else { return }
        guard local.scaling == .none else {
            throw LoadError.unsupportedValue(
                path: file.path, key: "rope_parameters.sliding_attention.rope_type", value: "\(local.scaling)",
                supported: ["default"])
        }
        keys.set("rope.freq_base_swa", local.base)
    }

    private static func writeCaps(_ file: ModelConfiguration, isThird: Bool, _ keys: inout GGUFKeys) throws {
        for name in ["attn_logit_softcapping", "final_logit_softcapping"] {
            guard let cap = try file.keys.optionalNumber(name, in: NumberRange.positive) else { continue }
            guard !isThird || name == "final_logit_softcapping" else {
                throw LoadError.unsupportedValue(path: file.path, key: name, value: "\(cap)", supported: ["null"])
            }
            keys.set(name, cap)
        }
    }

    private static func writeWindows(_ file: ModelConfiguration, isThird: Bool, _ keys: inout GGUFKeys) throws {
        try writeWindows(file, period: isThird ? 6 : 2, &keys)
    }

    /// Readers assume that every layer but the last of a period has the window; otherwise an array says which layers
    /// do.
    static func writeWindows(_ file: ModelConfiguration, period: Int, _ keys: inout GGUFKeys) throws {
        let layerCount = try file.keys.size("num_hidden_layers", maximum: SizeLimit.layers)
        let windows = try file.periodicWindows(layerCount: layerCount, period: period)
        keys.set("attention.sliding_window", windows.lazy.compactMap { $0 }.first ?? 0)
        let isUsual = zip(1..., windows).allSatisfy { ($0 % period == 0) == ($1 == nil) }
        guard !isUsual else { return }
        let flags = windows.map { GGUFEncodedValue.bool($0 != nil) }
        keys.set("attention.sliding_window_pattern", .array(of: .bool, flags))
    }

    /// Files do not store the divisor of the scores. Readers take the root of a head's size, or in the 27B models,
    /// which they recognise by the number of layers, of another number. Where a model has another divisor, its queries
    /// are scaled to compensate.
    private static func writeQueryScale(_ file: ModelConfiguration, isThird: Bool, _ keys: inout GGUFKeys) throws {
        let geometry = try file.attentionGeometry()
        let layerCount = try file.keys.size("num_hidden_layers", maximum: SizeLimit.layers)
        let scalar = try file.keys.optionalNumber("query_pre_attn_scalar", in: NumberRange.positive)
        let assumed = layerCount == (isThird ? 62 : 46) ? geometry.hiddenSize / geometry.headCount : geometry.headSize
        guard let scalar, scalar != Double(assumed) else { return }
        keys.scales[isThird ? "attn_q_norm" : "attn_q"] = Float((Double(assumed) / scalar).squareRoot())
    }
}
