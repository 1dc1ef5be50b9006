import ModelIO
import TensorCore

extension VisionArchitecture {
    /// The image tower of SigLIP: a vision transformer without a learned token, whose result one learned query reads by
    /// attention. (Zhai et al., 2023)
    ///
    ///     h = norm(layers(patches + positions));  a = attention(probe, h, h);  pooled = a + down(act(up(norm(a))))
    ///
    /// Of a whole SigLIP it takes what is under `vision_config`. A classifier reads the mean of `h`.
    static func sigLIP(_ file: ModelConfiguration) throws -> VisionArchitecture {
        let keys = try file.keys.object("vision_config") ?? file.keys
        let sizes = try ViTSizes(file, tower: keys, usual: .sigLIP)
        let isClassifier = file.isArchitecture("ForImageClassification", default: false)
        let hasHead = try keys.flag("vision_use_head", default: true)
        let description = VisionDescription(
            architecture: file.modelType, task: isClassifier ? .classification : .features,
            channelCount: try keys.optionalSize("num_channels") ?? 3, inputSize: sizes.image, isSizeFixed: true,
            labels: isClassifier ? try file.imageLabels(default: 2) : [])
        return VisionArchitecture(
            description: description, prefixes: ["vision_model.", ""],
            endings: ["in_proj.weight": "in_proj_weight", "in_proj.bias": "in_proj_bias"]
        ) { net, x in
            let h = try sizes.encode(net, x, names: .sigLIP)
            let states = try net.layerNorm(h, "post_layernorm", epsilon: sizes.epsilon)
            guard !isClassifier else {
                let mean = try net.adaptiveAveragePool(states)
                let count = description.labels.count
                return [.vector("logits", try net.linear(mean, "classifier", outputs: count, hasBias: true))]
            }
            var outputs: [NetworkOutput] = [.tokens("last_hidden_state", states)]
            guard hasHead else { return outputs }
            let pooled = try sizes.pooled(net, states)
            outputs.append(.vector("pooler_output", pooled))
            // What texts are compared with.
            if file.modelType == "siglip" { outputs.append(.vector("image_embeds", pooled)) }
            return outputs
        }
    }

    /// The text tower of SigLIP over embedded tokens, padded to the longest text; each sees all others, and the last one
    /// stands for the text.
    static func sigLIPText(_ file: ModelConfiguration, tokenCount: Int) throws -> VisionArchitecture {
        let keys = try file.keys.object("text_config") ?? file.keys
        let sizes = try ViTSizes(file, tower: keys, usual: .sigLIPText)
        let projection = try keys.optionalSize("projection_size") ?? sizes.width
        let description = VisionDescription(
            architecture: file.modelType, task: .features, channelCount: sizes.width,
            inputSize: Extent2D(height: 1, width: tokenCount), isSizeFixed: false, labels: [])
        return VisionArchitecture(description: description, prefixes: ["text_model.", ""]) { net, x in
            let h = try sizes.layers(net, x, names: .sigLIP)
            let normed = try net.layerNorm(h, "final_layer_norm", epsilon: sizes.epsilon)
            return [.tokens("text_embeds", try net.linear(normed, "head", outputs: projection, hasBias: true))]
        }
    }
}

extension ViTSizes {
    fileprivate func pooled(_ net: NetworkBuilder, _ states: FeatureMap) throws -> FeatureMap {
        let attended = try net.probed(states, "head.probe", projections: "head.attention.in_proj", headCount: headCount)
        let h = try net.linear(attended, "head.attention.out_proj", outputs: width, hasBias: true)
        let normed = try net.layerNorm(h, "head.layernorm", epsilon: epsilon)
        let up = try net.linear(
            normed, "head.mlp.fc1", outputs: intermediateSize, hasBias: true, activation: activation)
        return try net.linear(up, "head.mlp.fc2", outputs: width, hasBias: true, residual: h)
    }
}
