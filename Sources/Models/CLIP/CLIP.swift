import ModelIO
import TensorCore

extension VisionArchitecture {
    /// The image tower of CLIP: a vision transformer with a norm before its layers and one on the first token, and a
    /// projection to the space that texts share. (Radford et al., 2021)
    ///
    /// Of a whole CLIP it takes what is under `vision_config`.
    static func clip(_ file: ModelConfiguration) throws -> VisionArchitecture {
        let keys = try file.keys.object("vision_config") ?? file.keys
        let sizes = try ViTSizes(file, tower: keys, usual: .clip)
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
        let sizes = try ViTSizes(file, tower: keys, usual: .clipText)
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
