import ModelIO
import TensorCore

extension VisionArchitecture {
    /// The image tower of CLIP: a vision transformer with a norm before its layers and one on the first token, and a
    /// projection to the space that texts share. (Radford et al., 2021)
    ///
    /// Of a whole CLIP it takes what is under `vision_config`.
    static func clip(_ file: ModelConfiguration) throws -> VisionArchitecture {
        let keys = try file.keys.object("vision_config") ?? file.keys
        let sizes = try ViTSizes(file, clip: keys, isText: false)
        let projection = try file.keys.optionalSize("projection_dim") ?? keys.optionalSize("projection_dim") ?? 512
        let description = VisionDescription(
            architecture: file.modelType, task: .features, channelCount: try keys.optionalSize("num_channels") ?? 3,
            inputSize: sizes.image, isSizeFixed: true, labels: [])
        return VisionArchitecture(description: description, prefixes: ["vision_model.", ""]) { net, x in
            let h = try sizes.encode(net, x, names: .clip)
            let pooled = try net.layerNorm(h.firstRows, "post_layernorm", epsilon: sizes.epsilon)
            var outputs: [NetworkOutput] = [.tokens("last_hidden_state", h), .vector("pooler_output", pooled)]
            if net.contains("visual_projection.weight") {
                let embeds = try net.linear(pooled, "visual_projection", outputs: projection, hasBias: false)
                outputs.append(.vector("image_embeds", embeds))
            }
            return outputs
        }
    }

    /// The text tower of CLIP over embedded tokens: each sees those before it; all are projected.
    static func clipText(_ file: ModelConfiguration, tokenCount: Int) throws -> VisionArchitecture {
        let keys = try file.keys.object("text_config") ?? file.keys
        let sizes = try ViTSizes(file, clip: keys, isText: true)
        let projection = try file.keys.optionalSize("projection_dim") ?? keys.optionalSize("projection_dim") ?? 512
        let description = VisionDescription(
            architecture: file.modelType, task: .features, channelCount: sizes.width,
            inputSize: Extent2D(height: 1, width: tokenCount), isSizeFixed: false, labels: [])
        return VisionArchitecture(description: description, prefixes: ["text_model.", ""]) { net, x in
            let h = try sizes.layers(net, x, names: .clip, isCausal: true)
            let normed = try net.layerNorm(h, "final_layer_norm", epsilon: sizes.epsilon)
            let embeds = try net.linear(normed, "text_projection", outputs: projection, hasBias: false)
            return [.tokens("text_embeds", embeds)]
        }
    }
}

extension ViTSizes {
    fileprivate init(_ file: ModelConfiguration, clip keys: ConfigurationReader, isText: Bool) throws {
        let width = try keys.optionalSize("hidden_size") ?? (isText ? 512 : 768)
        let patch = try keys.optionalSize("patch_size") ?? 32
        let name = try keys.optionalString("hidden_act") ?? "quick_gelu"
        let activations: [String: Activation] = [
            "quick_gelu": .quickGelu, "gelu": .geluErf, "gelu_new": .geluTanh, "gelu_pytorch_tanh": .geluTanh,
        ]
        guard let activation = activations[name] else {
            throw LoadError.unsupportedValue(
                path: file.path, key: keys.prefix + "hidden_act", value: name, supported: activations.keys.sorted())
        }
        try self.init(
            file, width: width,
            layerCount: keys.optionalSize("num_hidden_layers", maximum: SizeLimit.layers) ?? 12,
            headCount: keys.optionalSize("num_attention_heads", maximum: SizeLimit.heads) ?? (isText ? 8 : 12),
            intermediateSize: keys.optionalSize("intermediate_size") ?? 4 * width,
            image: Extent2D(isText ? patch : keys.optionalSize("image_size") ?? 224), patch: Extent2D(patch),
            epsilon: keys.optionalNumber("layer_norm_eps", in: NumberRange.positive) ?? 1e-5, activation: activation)
    }
}
