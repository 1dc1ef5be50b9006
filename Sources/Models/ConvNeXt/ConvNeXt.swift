import ModelIO
import TensorCore

extension VisionArchitecture {
    /// ConvNeXt and ConvNeXt V2 as `transformers` has them. (Liu et al., 2022; Woo et al., 2023)
    ///
    ///     h = norm(conv 4x4 stride 4(x));  before each further stage: h = conv 2x2 stride 2(norm(h))
    ///     each layer: h = h + scale · down(act(up(norm(depthwise conv 7x7(h)))));  logits = classifier(norm(mean(h)))
    ///
    /// V2 has a global response norm before `down` in place of the scale.
    static func convNeXt(_ file: ModelConfiguration) throws -> VisionArchitecture {
        let keys = file.keys
        let widths = try keys.integers("hidden_sizes", in: 1...SizeLimit.width) ?? [96, 192, 384, 768]
        let depths = try keys.integers("depths", in: 1...SizeLimit.layers) ?? [3, 3, 9, 3]
        guard widths.count == depths.count, !widths.isEmpty else {
            throw LoadError.contradiction(
                path: file.path, keys: ["hidden_sizes", "depths"],
                reason: "\(widths.count) sizes for \(depths.count) stages")
        }
        let patch = try keys.optionalSize("patch_size") ?? 4
        let epsilon = try keys.optionalNumber("layer_norm_eps", in: NumberRange.positive) ?? 1e-12
        let activation = try file.activation("hidden_act", default: "gelu")
        let isSecond = file.modelType == "convnextv2"
        let description = try file.imageDescription()
        let isClassifier = description.task == .classification
        return VisionArchitecture(description: description, prefixes: ["convnext.", "convnextv2.", ""]) { net, x in
            var h = try net.convolution(
                x, "embeddings.patch_embeddings", outputs: widths[0], Sliding(patch, stride: patch), hasBias: true)
            // The norms inside have an epsilon of their own.
            h = try net.layerNorm(h, "embeddings.layernorm", epsilon: 1e-6)
            for stage in widths.indices {
                let prefix = "encoder.stages.\(stage)."
                if stage > 0 {
                    h = try net.layerNorm(h, prefix + "downsampling_layer.0", epsilon: 1e-6)
                    h = try net.convolution(
                        h, prefix + "downsampling_layer.1", outputs: widths[stage], Sliding(2, stride: 2),
                        hasBias: true)
                }
                for layer in 0..<depths[stage] {
                    h = try convNeXtLayer(
                        net, h, "\(prefix)layers.\(layer).", isSecond: isSecond, activation: activation)
                }
            }
            let pooled = try net.layerNorm(try net.adaptiveAveragePool(h), "layernorm", epsilon: epsilon)
            guard isClassifier else { return [.pixels("last_hidden_state", h), .vector("pooler_output", pooled)] }
            return [.vector("logits", try net.linear(pooled, "classifier", outputs: description.labels.count))]
        }
    }

    /// ConvNeXt by the names of timm (V2 too) or torchvision; channels and depths are those of the tensors.
    static func torchConvNeXt(_ file: ModelConfiguration) throws -> VisionArchitecture {
        let description = try file.torchDescription()
        return VisionArchitecture(description: description) { net, x in
            let names = net.contains("features.0.0.weight") ? ConvNeXtNames.torchvision : .timm
            let isSecond = file.modelType.hasPrefix("convnextv2")
            let stem = names.stem
            var h = try net.convolution(x, stem.convolution, Sliding(4, stride: 4))
            h = try net.layerNorm(h, stem.norm, epsilon: 1e-6)
            for stage in 0..<4 {
                if stage > 0 {
                    let shrink = names.downsample(stage)
                    h = try net.layerNorm(h, shrink.norm, epsilon: 1e-6)
                    h = try net.convolution(h, shrink.convolution, Sliding(2, stride: 2))
                }
                var layer = 0
                while net.contains(names.block(stage, layer).depthwise + ".weight"), layer < SizeLimit.layers {
                    h = try torchConvNeXtLayer(net, h, names.block(stage, layer), isSecond: isSecond)
                    layer += 1
                }
            }
            let pooled = try net.layerNorm(try net.adaptiveAveragePool(h), names.headNorm, epsilon: 1e-6)
            return [try net.head(pooled, names.head, of: description)]
        }
    }

    /// The linear layers are stored as matrices, or in small models as convolutions of 1 x 1 pixels.
    private static func torchConvNeXtLayer(
        _ net: NetworkBuilder, _ x: FeatureMap, _ names: ConvNeXtNames.Block, isSecond: Bool
    ) throws -> FeatureMap {
        let kernel = net.extents(of: names.depthwise + ".weight")?.last ?? 7
        var h = try net.convolution(
            x, names.depthwise, outputs: x.channels, Sliding(kernel, padding: kernel / 2), groups: x.channels)
        h = try net.layerNorm(h, names.norm, epsilon: 1e-6)
        if net.extents(of: names.up + ".weight")?.count == 4 {
            h = try net.convolution(h, names.up, Sliding(1), activation: .geluErf)
        } else {
            h = try net.linear(h, names.up, outputs: try net.outputs(of: names.up), activation: .geluErf)
        }
        let norm = isSecond ? names.responseNorm : nil
        return try net.convNeXtEnd(h, names.down, norm: norm, scale: names.scale, residual: x)
    }

    private static func convNeXtLayer(
        _ net: NetworkBuilder, _ x: FeatureMap, _ prefix: String, isSecond: Bool, activation: Activation
    ) throws -> FeatureMap {
        let width = x.channels
        var h = try net.convolution(
            x, prefix + "dwconv", outputs: width, Sliding(7, padding: 3), groups: width, hasBias: true)
        h = try net.layerNorm(h, prefix + "layernorm", epsilon: 1e-6)
        h = try net.linear(h, prefix + "pwconv1", outputs: 4 * width, hasBias: true, activation: activation)
        return try net.convNeXtEnd(
            h, prefix + "pwconv2", norm: isSecond ? prefix + "grn" : nil, scale: prefix + "layer_scale_parameter",
            residual: x)
    }
}

/// What libraries call the layers of a ConvNeXt.
private enum ConvNeXtNames: Sendable {
    case timm, torchvision

    struct Block {
        var depthwise: String
        var norm: String
        var up: String
        var down: String
        /// Of V2.
        var responseNorm: String
        var scale: String
    }

    var stem: (convolution: String, norm: String) {
        self == .timm ? ("stem.0", "stem.1") : ("features.0.0", "features.0.1")
    }

    /// Before stage `stage`, counted from 0.
    func downsample(_ stage: Int) -> (norm: String, convolution: String) {
        let prefix = self == .timm ? "stages.\(stage).downsample." : "features.\(2 * stage)."
        return (prefix + "0", prefix + "1")
    }

    func block(_ stage: Int, _ layer: Int) -> Block {
        if self == .timm {
            let prefix = "stages.\(stage).blocks.\(layer)."
            return Block(
                depthwise: prefix + "conv_dw", norm: prefix + "norm", up: prefix + "mlp.fc1",
                down: prefix + "mlp.fc2", responseNorm: prefix + "mlp.grn", scale: prefix + "gamma")
        }
        let prefix = "features.\(2 * stage + 1).\(layer)."
        return Block(
            depthwise: prefix + "block.0", norm: prefix + "block.2", up: prefix + "block.3",
            down: prefix + "block.5", responseNorm: prefix + "grn", scale: prefix + "layer_scale")
    }

    var headNorm: String { self == .timm ? "head.norm" : "classifier.0" }
    var head: String { self == .timm ? "head.fc" : "classifier.2" }
}
