import ModelIO
import TensorCore

extension VisionArchitecture {
    /// DINOv2, with registers or without, as `transformers` has it. (Oquab et al., 2023; Darcet et al., 2024)
    ///
    /// A vision transformer whose parts have scales. It takes images of any size: positions are resized to its patches. The
    /// classifier reads the first token and the mean of those of the patches.
    static func dinov2(_ file: ModelConfiguration) throws -> VisionArchitecture {
        let keys = file.keys
        let hasRegisters = file.modelType == "dinov2_with_registers"
        let width = try keys.optionalSize("hidden_size") ?? 768
        let isGated = try keys.flag("use_swiglu_ffn", default: false)
        let expanded = Int(Double(width) * (try keys.optionalNumber("mlp_ratio", in: 0.01...1024) ?? 4))
        var sizes = try ViTSizes(
            file, width: width,
            layerCount: keys.optionalSize("num_hidden_layers", maximum: SizeLimit.layers) ?? 12,
            headCount: keys.optionalSize("num_attention_heads", maximum: SizeLimit.heads) ?? 12,
            // Two thirds, rounded up to a multiple of eight.
            intermediateSize: isGated ? (Int(Double(expanded) * 2 / 3) + 7) / 8 * 8 : expanded,
            image: file.imageSize("image_size", default: 224), patch: file.imageSize("patch_size", default: 14),
            epsilon: keys.optionalNumber("layer_norm_eps", in: NumberRange.positive) ?? 1e-6,
            activation: isGated ? .silu : file.activation("hidden_act", default: "gelu"))
        sizes.isGated = isGated
        (sizes.hasQueryBiases, sizes.hasBiases) = (try keys.flag("qkv_bias", default: true), true)
        sizes.resizing = hasRegisters ? .antialiased : .bicubic
        var description = try file.imageDescription()
        description.inputSize = sizes.image
        let names = ViTNames.dinov2(hasRegisters: hasRegisters, isGated: isGated)
        return VisionArchitecture(
            description: description, prefixes: ["dinov2.", "dinov2_with_registers.", ""]
        ) { [description, sizes] net, x in
            let h = try sizes.encode(net, x, names: names)
            let states = try net.layerNorm(h, "layernorm", epsilon: sizes.epsilon)
            guard description.task == .classification else {
                return [.tokens("last_hidden_state", states), .vector("pooler_output", states.firstRows)]
            }
            let learned = names.learnedTokens.reduce(0) { $0 + net.learnedCount($1, width: sizes.width) }
            let both = try net.firstAndMean(states, learnedCount: learned)
            let count = description.labels.count
            return [.vector("logits", try net.linear(both, "classifier", outputs: count, hasBias: true))]
        }
    }
}
