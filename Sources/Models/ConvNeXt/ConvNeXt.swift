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
        let isClassifier = file.isArchitecture("ForImageClassification", default: true)
        let labels = isClassifier ? try file.imageLabels(default: 2) : []
        let description = VisionDescription(
            architecture: file.modelType, task: isClassifier ? .classification : .features,
            channelCount: try keys.optionalSize("num_channels") ?? 3, inputSize: nil, isSizeFixed: false,
            labels: labels)
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
            return [.vector("logits", try net.linear(pooled, "classifier", outputs: labels.count))]
        }
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
