import ModelIO
import TensorCore

extension VisionArchitecture {
    /// EfficientNet B0 to B7 as `transformers` has it. (Tan and Le, 2019)
    ///
    ///     each block: h = project 1x1(squeeze and excite(act(depthwise conv(act(expand 1x1(x))))));  h + x behind a stage's first
    static func efficientNet(_ file: ModelConfiguration) throws -> VisionArchitecture {
        let shape = try EfficientNetShape(file)
        let pooling = try file.keys.optionalString("pooling_type") ?? "mean"
        guard ["mean", "max"].contains(pooling) else {
            throw LoadError.unsupportedValue(
                path: file.path, key: "pooling_type", value: pooling, supported: ["max", "mean"])
        }
        var description = try file.imageDescription()
        description.inputSize = try file.keys.imageSize("image_size")
        return VisionArchitecture(description: description, prefixes: ["efficientnet.", ""]) { [description] net, x in
            let h = try shape.build(net, x)
            let pooled =
                pooling == "mean"
                ? try net.adaptiveAveragePool(h) : try net.maxPool(h, Sliding(kernel: h.size, stride: h.size))
            guard description.task == .classification else {
                return [.pixels("last_hidden_state", h), .vector("pooler_output", pooled)]
            }
            let count = description.labels.count
            return [.vector("logits", try net.linear(pooled, "classifier", outputs: count, hasBias: true))]
        }
    }
}

/// The sizes of an EfficientNet.
private struct EfficientNetShape: Sendable {
    struct Stage: Sendable {
        var outputs: Int
        var kernel: Int
        var stride: Int
        var expansion: Int
        var blockCount: Int
    }

    private let stem: Int
    private let stages: [Stage]
    /// Blocks that have as many pixels of padding on all sides.
    private let evenlyPadded: Set<Int>
    private let epsilon: Double
    private let activation: Activation

    init(_ file: ModelConfiguration) throws {
        let keys = file.keys
        let width = try keys.optionalNumber("width_coefficient", in: 0.001...1024) ?? 2
        let depth = try keys.optionalNumber("depth_coefficient", in: 0.001...1024) ?? 3.1
        let divisor = try keys.optionalSize("depth_divisor", maximum: 1 << 16) ?? 8
        func numbers(_ key: String, most: Int, default usual: [Int]) throws -> [Int] {
            try keys.integers(key, in: 1...most) ?? usual
        }
        let kernels = try numbers("kernel_sizes", most: 255, default: [3, 3, 5, 3, 5, 5, 3])
        let outputs = try numbers(
            "out_channels", most: SizeLimit.width, default: [16, 24, 40, 80, 112, 192, 320])
        let strides = try numbers("strides", most: 2, default: [1, 2, 2, 2, 1, 2, 1])
        let repeats = try numbers("num_block_repeats", most: SizeLimit.layers, default: [1, 2, 2, 3, 3, 4, 1])
        let expansions = try numbers("expand_ratios", most: 1 << 10, default: [1, 6, 6, 6, 6, 6, 6])
        let counts = [outputs.count, kernels.count, strides.count, repeats.count, expansions.count]
        guard Set(counts).count == 1, !kernels.isEmpty, kernels.allSatisfy({ $0 % 2 == 1 }) else {
            throw LoadError.contradiction(
                path: file.path,
                keys: ["out_channels", "kernel_sizes", "strides", "num_block_repeats", "expand_ratios"],
                reason: "they tell of \(counts) stages; each needs as many, and kernels of odd sizes")
        }
        /// Channels times the coefficient, rounded to a multiple of the divisor, but not down by more than a tenth.
        func scaled(_ channels: Int) -> Int {
            let wanted = Double(channels) * width
            let rounded = max(divisor, Int(wanted + Double(divisor) / 2) / divisor * divisor)
            return Double(rounded) < 0.9 * wanted ? rounded + divisor : rounded
        }
        stem = scaled(32)
        stages = outputs.indices.map {
            Stage(
                outputs: scaled(outputs[$0]), kernel: kernels[$0], stride: strides[$0], expansion: expansions[$0],
                blockCount: Int((depth * Double(repeats[$0])).rounded(.up)))
        }
        evenlyPadded = Set(try keys.integers("depthwise_padding", in: 0...SizeLimit.layers) ?? [])
        epsilon = try keys.optionalNumber("batch_norm_eps", in: NumberRange.positive) ?? 0.001
        activation = try file.activation("hidden_act", default: "swish")
    }

    func build(_ net: NetworkBuilder, _ x: FeatureMap) throws -> FeatureMap {
        var h = try net.convolution(
            x, "embeddings.convolution", outputs: stem, Sliding(3, stride: 2), hasBias: false,
            norm: norm("embeddings.batchnorm"), activation: activation, paddingBehind: Extent2D(1))
        var index = 0
        for stage in stages {
            for place in 0..<stage.blockCount {
                h = try block(net, h, index, stage, isFirst: place == 0)
                index += 1
            }
        }
        return try net.convolution(
            h, "encoder.top_conv", Sliding(1), hasBias: false, norm: norm("encoder.top_bn"), activation: activation)
    }

    private func norm(_ name: String) -> BatchNorm { BatchNorm(name: name, epsilon: epsilon) }

    private func block(
        _ net: NetworkBuilder, _ x: FeatureMap, _ index: Int, _ stage: Stage, isFirst: Bool
    ) throws -> FeatureMap {
        let prefix = "encoder.blocks.\(index)."
        var h = x
        if stage.expansion != 1 {
            h = try net.convolution(
                x, prefix + "expansion.expand_conv", outputs: stage.expansion * x.channels, Sliding(1), hasBias: false,
                norm: norm(prefix + "expansion.expand_bn"), activation: activation)
        }
        let (half, stride) = (stage.kernel / 2, isFirst ? stage.stride : 1)
        // Where every second pixel is looked at, the odd pixel of padding is below and to the right.
        let before = stride == 2 && !evenlyPadded.contains(index) ? half - 1 : half
        h = try net.convolution(
            h, prefix + "depthwise_conv.depthwise_conv", outputs: h.channels,
            Sliding(stage.kernel, stride: stride, padding: max(before, 0)), groups: h.channels, hasBias: false,
            norm: norm(prefix + "depthwise_conv.depthwise_norm"), activation: activation,
            paddingBehind: Extent2D(half))
        try net.squeezeAndExcite(
            h, reduce: prefix + "squeeze_excite.reduce", expand: prefix + "squeeze_excite.expand",
            activation: activation, gate: .sigmoid)
        return try net.convolution(
            h, prefix + "projection.project_conv", outputs: stage.outputs, Sliding(1), hasBias: false,
            norm: norm(prefix + "projection.project_bn"), residual: isFirst ? nil : x)
    }
}
