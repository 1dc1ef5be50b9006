import ModelIO
import TensorCore

extension VisionArchitecture {
    /// ConvNeXt as `transformers` has it. (Liu et al., 2022)
    ///
    ///     h = norm(conv 4x4 stride 4(x));  before each further stage: h = conv 2x2 stride 2(norm(h))
    ///     each layer: h = h + scale · down(act(up(norm(depthwise conv 7x7(h)))));  logits = classifier(norm(mean(h)))
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
        let description = try file.imageDescription()
        let isClassifier = description.task == .classification
        return VisionArchitecture(description: description, prefixes: ["convnext.", ""]) { net, x in
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
                    h = try convNeXtLayer(net, h, "\(prefix)layers.\(layer).", activation: activation)
                }
            }
            let pooled = try net.layerNorm(try net.adaptiveAveragePool(h), "layernorm", epsilon: epsilon)
            guard isClassifier else { return [.pixels("last_hidden_state", h), .vector("pooler_output", pooled)] }
            return [.vector("logits", try net.linear(pooled, "classifier", outputs: description.labels.count))]
        }
    }

    /// ConvNeXt by the names of timm; channels and depths are those of the tensors.
    static func timmConvNeXt(_ file: ModelConfiguration) throws -> VisionArchitecture {
        let labels = try file.imageLabels(default: 1000)
        let description = VisionDescription(
            architecture: file.modelType, task: .classification, channelCount: try file.pretrainedChannels(),
            inputSize: nil, isSizeFixed: false, labels: labels)
        return VisionArchitecture(description: description) { net, x in
            var h = try net.convolution(x, "stem.0", Sliding(4, stride: 4))
            h = try net.layerNorm(h, "stem.1", epsilon: 1e-6)
            for stage in 0..<4 {
                let prefix = "stages.\(stage)."
                if stage > 0 {
                    h = try net.layerNorm(h, prefix + "downsample.0", epsilon: 1e-6)
                    h = try net.convolution(h, prefix + "downsample.1", Sliding(2, stride: 2))
                }
                var layer = 0
                while net.contains("\(prefix)blocks.\(layer).conv_dw.weight"), layer < SizeLimit.layers {
                    h = try timmConvNeXtLayer(net, h, "\(prefix)blocks.\(layer).")
                    layer += 1
                }
            }
            let pooled = try net.layerNorm(try net.adaptiveAveragePool(h), "head.norm", epsilon: 1e-6)
            return [.vector("logits", try net.linear(pooled, "head.fc", outputs: labels.count))]
        }
    }

    /// The linear layers are stored as matrices, or in small models as convolutions of 1 x 1 pixels.
    private static func timmConvNeXtLayer(
        _ net: NetworkBuilder, _ x: FeatureMap, _ prefix: String
    ) throws -> FeatureMap {
        let (up, down, scale) = (prefix + "mlp.fc1", prefix + "mlp.fc2", prefix + "gamma")
        let kernel = net.extents(of: prefix + "conv_dw.weight")?.last ?? 7
        var h = try net.convolution(
            x, prefix + "conv_dw", outputs: x.channels, Sliding(kernel, padding: kernel / 2), groups: x.channels)
        h = try net.layerNorm(h, prefix + "norm", epsilon: 1e-6)
        guard net.extents(of: up + ".weight")?.count == 4 else {
            h = try net.linear(h, up, outputs: try net.outputs(of: up), activation: .geluErf)
            return try net.scaledLinear(h, down, outputs: x.channels, scale: scale, residual: x)
        }
        h = try net.convolution(h, up, Sliding(1), activation: .geluErf)
        let factors = net.contains(scale) ? try net.weights?.file.vector(scale, count: x.channels) : nil
        return try net.convolution(h, down, outputs: x.channels, Sliding(1), residual: x, scale: factors)
    }

    private static func convNeXtLayer(
        _ net: NetworkBuilder, _ x: FeatureMap, _ prefix: String, activation: Activation
    ) throws -> FeatureMap {
        let width = x.channels
        var h = try net.convolution(
            x, prefix + "dwconv", outputs: width, Sliding(7, padding: 3), groups: width, hasBias: true)
        h = try net.layerNorm(h, prefix + "layernorm", epsilon: 1e-6)
        h = try net.linear(h, prefix + "pwconv1", outputs: 4 * width, hasBias: true, activation: activation)
        let scale = prefix + "layer_scale_parameter"
        return try net.scaledLinear(h, prefix + "pwconv2", outputs: width, scale: scale, residual: x)
    }
}

extension NetworkBuilder {
    /// A linear layer with bias whose outputs are multiplied by the vector `scale`, where the checkpoint has one.
    fileprivate func scaledLinear(
        _ x: FeatureMap, _ name: String, outputs: Int, scale: String, residual: FeatureMap
    ) throws -> FeatureMap {
        guard let weights, contains(scale) else {
            return try linear(x, name, outputs: outputs, hasBias: true, residual: residual)
        }
        // The layer below finds them by their name.
        _ = try weights.linear(name) {
            let factors = try weights.file.vector(scale, count: outputs)
            var values = try weights.file.floats(weights.file.tensor(name + ".weight", shape: [outputs, x.channels]))
            for row in 0..<outputs {
                for column in row * x.channels..<(row + 1) * x.channels { values[column] *= factors[row] }
            }
            let bias = zip(try weights.file.vector(name + ".bias", count: outputs), factors).map { $0 * $1 }
            return Linear(
                [try weights.matrix(values, rows: outputs, columns: x.channels, name: name + ".weight")],
                bias: try weights.loader.target.backend.makeTensor(bias, [outputs]))
        }
        return try linear(x, name, outputs: outputs, hasBias: true, residual: residual)
    }
}
