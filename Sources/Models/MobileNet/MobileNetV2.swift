import ModelIO
import TensorCore

extension VisionArchitecture {
    /// MobileNetV2 as `transformers` has it. (Sandler et al., 2018)
    ///
    ///     each block: h = reduce 1x1(relu6(depthwise conv 3x3(relu6(expand 1x1(x)))));  h + x where the shapes allow it
    static func mobileNetV2(_ file: ModelConfiguration) throws -> VisionArchitecture {
        // torchvision calls its architecture the same.
        guard file.keys.value("model_type") != nil else { return try torchMobileNet(file, .v2) }
        let shape = try MobileNetV2Shape(file)
        let description = try file.imageDescription()
        let isClassifier = description.task == .classification
        return VisionArchitecture(description: description, prefixes: ["mobilenet_v2.", ""]) { net, x in
            let h = try shape.build(net, x)
            let pooled = try net.adaptiveAveragePool(h)
            guard isClassifier else { return [.pixels("last_hidden_state", h), .vector("pooler_output", pooled)] }
            return [.vector("logits", try net.linear(pooled, "classifier", outputs: description.labels.count))]
        }
    }
}

/// The sizes of a MobileNetV2.
private struct MobileNetV2Shape: Sendable {
    let multiplier: Double
    let divisor: Int
    let least: Int
    let expansion: Double
    let outputStride: Int
    let expandsFirst: Bool
    let hasFinestGrained: Bool
    let padsLikeTensorFlow: Bool
    let epsilon: Double
    let activation: Activation

    init(_ file: ModelConfiguration) throws {
        let keys = file.keys
        multiplier = try keys.optionalNumber("depth_multiplier", in: 0.01...64) ?? 1
        divisor = try keys.optionalSize("depth_divisible_by", maximum: 4096) ?? 8
        least = try keys.optionalSize("min_depth", maximum: 4096) ?? 8
        expansion = try keys.optionalNumber("expand_ratio", in: 0.01...64) ?? 6
        outputStride = try keys.optionalSize("output_stride", maximum: 32) ?? 32
        expandsFirst = !(try keys.flag("first_layer_is_expansion", default: true))
        hasFinestGrained = try keys.flag("finegrained_output", default: true)
        padsLikeTensorFlow = try keys.flag("tf_padding", default: true)
        epsilon = try keys.optionalNumber("layer_norm_eps", in: NumberRange.positive) ?? 0.001
        activation = try file.activation("hidden_act", default: "relu6")
    }

    /// A number of channels times the multiplier.
    private func width(_ channels: Int) -> Int {
        divisible((Double(channels) * multiplier).rounded(.toNearestOrEven))
    }

    /// Rounded to a multiple of the divisor, but not down by more than a tenth.
    private func divisible(_ wanted: Double) -> Int {
        let rounded = max(least, Int(wanted + Double(divisor) / 2) / divisor * divisor)
        return Double(rounded) < 0.9 * wanted ? rounded + divisor : rounded
    }

    func build(_ net: NetworkBuilder, _ x: FeatureMap) throws -> FeatureMap {
        let widths = [16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320].map(width)
        var strides = [2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1]
        // Where the output stride is reached, dilation takes the place of strides.
        var dilations = [Int](repeating: 1, count: strides.count)
        var (current, dilation) = (2, 1)
        for index in strides.indices {
            if current == outputStride {
                dilations[index] = dilation
                dilation *= strides[index]
                strides[index] = 1
            } else {
                current *= strides[index]
            }
        }
        var h = try stem(net, x, outputs: widths[0])
        for index in strides.indices {
            h = try block(
                net, h, "layer.\(index).", outputs: widths[index + 1], stride: strides[index],
                dilation: dilations[index])
        }
        let last = hasFinestGrained && multiplier < 1 ? 1280 : width(1280)
        return try layer(net, h, "conv_1x1", outputs: last, kernel: 1)
    }

    private func stem(_ net: NetworkBuilder, _ x: FeatureMap, outputs: Int) throws -> FeatureMap {
        var h = try layer(net, x, "conv_stem.first_conv", outputs: width(32), kernel: 3, stride: 2)
        if expandsFirst {
            h = try layer(net, h, "conv_stem.expand_1x1", outputs: h.channels, kernel: 1)
        }
        h = try layer(net, h, "conv_stem.conv_3x3", outputs: h.channels, kernel: 3, groups: h.channels)
        return try layer(net, h, "conv_stem.reduce_1x1", outputs: outputs, kernel: 1, isActivated: false)
    }

    private func expanded(_ channels: Int) -> Int {
        divisible((Double(channels) * expansion).rounded(.toNearestOrEven))
    }

    private func block(
        _ net: NetworkBuilder, _ x: FeatureMap, _ prefix: String, outputs: Int, stride: Int, dilation: Int
    ) throws -> FeatureMap {
        var h = try layer(net, x, prefix + "expand_1x1", outputs: expanded(x.channels), kernel: 1)
        h = try layer(
            net, h, prefix + "conv_3x3", outputs: h.channels, kernel: 3, stride: stride, dilation: dilation,
            groups: h.channels)
        return try layer(
            net, h, prefix + "reduce_1x1", outputs: outputs, kernel: 1, isActivated: false,
            residual: stride == 1 && x.channels == outputs ? x : nil)
    }

    private func layer(
        _ net: NetworkBuilder, _ x: FeatureMap, _ name: String, outputs: Int, kernel: Int, stride: Int = 1,
        dilation: Int = 1, groups: Int = 1, isActivated: Bool = true, residual: FeatureMap? = nil
    ) throws -> FeatureMap {
        var sliding = Sliding(kernel, stride: stride, padding: kernel / 2 * dilation, dilation: dilation)
        var behind: Extent2D?
        if padsLikeTensorFlow { (sliding.padding, behind) = sliding.paddingOfTensorFlow(over: x.size) }
        return try net.convolution(
            x, name + ".convolution", outputs: outputs, sliding, groups: groups, hasBias: false,
            norm: BatchNorm(name: name + ".normalization", epsilon: epsilon),
            activation: isActivated ? activation : nil, residual: residual, paddingBehind: behind)
    }
}
