import ModelIO
import TensorCore

extension DecoderArchitecture {
    /// Llama (Touvron et al., 2023) and the models of its shape, Mistral, Qwen2, Qwen3, Phi-3 and Mixtral: RMSNorm before
    /// each sublayer, rotary positions, grouped-query attention, a gated feed-forward part.
    ///
    ///     h = embed[id]
    ///     each layer:  h += o(attention(rope(qkv(norm(h)))));  h += down(silu(gate(norm(h))) * up(norm(h)))
    ///     logits = head(norm(h))
    ///
    /// Qwen2 has biases on query, key and value. Qwen3 norms each head of query and key before rotating it. (Qwen team, 2025)
    /// Phi-3 keeps query, key and value in one matrix, and gate and up projection in another. The feed-forward part of
    /// Mixtral, Qwen2-MoE and Qwen3-MoE is a mixture of experts, of which Qwen2-MoE's tokens share one.
    static func llama(_ file: ModelConfiguration) throws -> DecoderArchitecture {
        var decoder = try DecoderArchitecture(
            file, norm: .rms(), epsilonKey: "rms_norm_eps", activation: file.activation("hidden_act"))
        decoder.setRope(try file.rope(headSize: decoder.sizes.headSize))
        decoder.ropeLayout = file.layout.ropeLayout ?? .halfSplit
        decoder.setWindows(try file.llamaWindows(layerCount: decoder.sizes.layerCount))
        let hasAttentionBias = try file.keys.flag("attention_bias", default: false)
        // Qwen2's configuration does not mention its biases.
        decoder.hasProjectionBias = hasAttentionBias || file.modelType == "qwen2"
        decoder.hasOutputBias = hasAttentionBias
        decoder.hasFeedForwardBias = try file.keys.flag("mlp_bias", default: false)
        switch file.modelType {
        case "qwen3": decoder.headNorm = .eachHead
        case "qwen3_moe":
            decoder.headNorm = .eachHead
            try decoder.addExperts(file)
        case "qwen2_moe":
            decoder.hasProjectionBias = try file.keys.flag("qkv_bias", default: true)
            try decoder.addExperts(file)
        case "mixtral": try decoder.addExperts(file)
        case "phi3":
            decoder.names.projections = .fused("self_attn.qkv_proj")
            decoder.names.feedForward = .fusedGate(gateUp: "mlp.gate_up_proj", down: "mlp.down_proj")
        default: break
        }
        return decoder
    }

    /// Experts in all layers, or of Qwen's in every `decoder_sparse_step`-th but those that `mlp_only_layers` names.
    mutating func addExperts(_ file: ModelConfiguration) throws {
        let settings = try ExpertSettings(file)
        experts = settings
        sizes.expertFeatureCount = max(settings.intermediateSize, sizes.hiddenSize)
        sizes.sharedExpertSize = settings.sharedSize ?? 0
        sizes.expertsPerToken = settings.expertsPerToken
        let step = try file.keys.optionalSize("decoder_sparse_step", maximum: SizeLimit.layers) ?? 1
        let dense = try file.keys.integers("mlp_only_layers", in: 0...SizeLimit.layers) ?? []
        for index in layers.indices { layers[index].hasExperts = (index + 1) % step == 0 && !dense.contains(index) }
    }
}

extension ModelConfiguration {
    /// Llama has no window; Mistral's and Phi-3's hold for every layer; Qwen's only where asked for, and then for the
    /// layers that `layer_types` names or, in older files, those from `max_window_layers` on.
    fileprivate func llamaWindows(layerCount: Int) throws -> [Int?] {
        let isQwen = modelType.hasPrefix("qwen")
        let uses = try keys.flag("use_sliding_window", default: !isQwen && modelType != "smollm3")
        guard modelType != "llama", uses, let window = try slidingWindow() else {
            return Array(repeating: nil, count: layerCount)
        }
        if let isSliding = try slidingLayers(layerCount: layerCount) {
            return isSliding.map { $0 ? window : nil }
        }
        let first = isQwen ? try keys.optionalInteger("max_window_layers", in: 0...SizeLimit.layers) ?? 28 : 0
        return (0..<layerCount).map { $0 >= first ? window : nil }
    }
}
