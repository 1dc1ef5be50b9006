import ModelIO
import TensorCore

/// What the names of timm's small convolutional networks say; channels, kernels and depths are those of the tensors.
struct TimmMobileNet: Sendable {
    /// Of each stage's first block.
    var strides: [Int]
    var activation: Activation
    /// Stages from the first on that have `relu` in place of `activation`.
    var reluStageCount = 0
    /// Inside of squeeze and excitation.
    var squeezeActivation = Activation.relu
    var gate = Activation.sigmoid
    /// Whether the last convolution comes behind the pooling, with a bias and no norm.
    var poolsFirst = false
    /// Whether a convolution that stands alone adds its input where it can.
    var addsInputs = false
    var epsilon = 1e-5
    var padsLikeTensorFlow = false

    static let named: [String: TimmMobileNet] = {
        var models: [String: TimmMobileNet] = [:]
        let long = [1, 2, 2, 2, 1, 2, 1]
        for width in ["035", "050", "075", "100", "110d", "120d", "140"] {
            models["mobilenetv2_\(width)"] = TimmMobileNet(strides: long, activation: .relu6)
        }
        for (size, strides, relus) in [("large", long, 3), ("small", [2, 2, 2, 1, 2, 1], 2)] {
            for width in ["050", "075", "100", "150"] {
                models["mobilenetv3_\(size)_\(width)"] = TimmMobileNet(
                    strides: strides, activation: .hardSwish, reluStageCount: relus, gate: .hardSigmoid,
                    poolsFirst: true)
            }
        }
        models["mobilenetv3_rw"] = models["mobilenetv3_large_100"]
        for index in 0...8 {
            models["efficientnet_b\(index)"] = TimmMobileNet(
                strides: long, activation: .silu, squeezeActivation: .silu)
        }
        for index in 0...4 {
            models["efficientnet_lite\(index)"] = TimmMobileNet(strides: long, activation: .relu6)
        }
        // Those that were trained with TensorFlow first.
        for (name, var model) in models where !name.hasPrefix("mobilenetv2") && name != "mobilenetv3_rw" {
            (model.epsilon, model.padsLikeTensorFlow) = (1e-3, true)
            models["tf_" + name] = model
        }
        for (strides, names) in [([1, 2, 2, 2, 1, 2], ["s", "b0", "b1", "b2", "b3"]), (long, ["m", "l", "xl"])] {
            for name in names { models["tf_efficientnetv2_" + name] = v2(strides, likeTensorFlow: true) }
        }
        for (strides, names) in [([1, 2, 2, 2, 1, 2], ["rw_t", "rw_s"]), (long, ["rw_m"])] {
            for name in names { models["efficientnetv2_" + name] = v2(strides, likeTensorFlow: false) }
        }
        return models
    }()

    /// EfficientNet V2. (Tan and Le, 2021)
    private static func v2(_ strides: [Int], likeTensorFlow: Bool) -> TimmMobileNet {
        TimmMobileNet(
            strides: strides, activation: .silu, squeezeActivation: .silu, addsInputs: true,
            epsilon: likeTensorFlow ? 1e-3 : 1e-5, padsLikeTensorFlow: likeTensorFlow)
    }
}

extension VisionArchitecture {
    /// MobileNetV2 and V3 and EfficientNet by the names of timm. (Sandler et al., 2018; Howard et al., 2019; Tan and Le, 2019
    /// and 2021)
    ///
    ///     each block: h = reduce 1x1(squeeze and excite(act(depthwise conv(act(expand 1x1(x))))));  h + x where shapes allow it
    static func timmMobileNet(_ file: ModelConfiguration, _ model: TimmMobileNet) throws -> VisionArchitecture {
        let description = try file.torchDescription()
        return VisionArchitecture(description: description) { net, x in
            var h = try model.convolution(
                net, x, "conv_stem", kernel: 3, stride: 2, norm: "bn1", activation: model.activation)
            for (stage, stride) in model.strides.enumerated() {
                let activation = stage < model.reluStageCount ? .relu : model.activation
                var block = 0
                while net.contains("blocks.\(stage).\(block).conv_pw.weight")
                    || net.contains("blocks.\(stage).\(block).conv_exp.weight")
                    || net.contains("blocks.\(stage).\(block).conv.weight"), block < SizeLimit.layers
                {
                    h = try model.block(
                        net, h, "blocks.\(stage).\(block).", stride: block == 0 ? stride : 1, activation: activation)
                    block += 1
                }
            }
            if model.poolsFirst {
                let pooled = try net.adaptiveAveragePool(h)
                h = try net.convolution(pooled, "conv_head", Sliding(1), activation: model.activation)
            } else {
                h = try model.convolution(net, h, "conv_head", norm: "bn2", activation: model.activation)
            }
            let pooled = try net.adaptiveAveragePool(h)
            return [try net.head(pooled, "classifier", of: description)]
        }
    }
}

extension TimmMobileNet {
    /// A convolution with its norm.
    fileprivate func convolution(
        _ net: NetworkBuilder, _ x: FeatureMap, _ name: String, outputs: Int? = nil, kernel: Int = 1, stride: Int = 1,
        groups: Int = 1, norm: String, activation: Activation? = nil, residual: FeatureMap? = nil
    ) throws -> FeatureMap {
        var sliding = Sliding(kernel, stride: stride, padding: kernel / 2)
        var behind: Extent2D?
        if padsLikeTensorFlow { (sliding.padding, behind) = sliding.paddingOfTensorFlow(over: x.size) }
        return try net.convolution(
            x, name, outputs: outputs, sliding, groups: groups, norm: BatchNorm(name: norm, epsilon: epsilon),
            activation: activation, residual: residual, paddingBehind: behind)
    }

    /// A convolution alone, one that keeps channels apart with one of 1 x 1 behind it, or such a pair behind one that makes
    /// more channels; or that first one and the last one in one, and one of 1 x 1 behind it: as the tensors say.
    fileprivate func block(
        _ net: NetworkBuilder, _ x: FeatureMap, _ prefix: String, stride: Int, activation: Activation
    ) throws -> FeatureMap {
        func kernel(_ name: String) -> Int { net.extents(of: prefix + name + ".weight")?.last ?? 3 }
        let isFused = net.contains(prefix + "conv_exp.weight")
        guard isFused || net.contains(prefix + "conv_dw.weight") else {
            let outputs = try net.outputs(of: prefix + "conv")
            return try convolution(
                net, x, prefix + "conv", outputs: outputs, kernel: kernel("conv"), stride: stride,
                norm: prefix + "bn1", activation: activation,
                residual: addsInputs && stride == 1 && x.channels == outputs ? x : nil)
        }
        let isExpanding = !isFused && net.contains(prefix + "conv_pwl.weight")
        var h = x
        if isFused {
            h = try convolution(
                net, x, prefix + "conv_exp", kernel: kernel("conv_exp"), stride: stride, norm: prefix + "bn1",
                activation: activation)
        } else {
            if isExpanding {
                h = try convolution(net, x, prefix + "conv_pw", norm: prefix + "bn1", activation: activation)
            }
            h = try convolution(
                net, h, prefix + "conv_dw", outputs: h.channels, kernel: kernel("conv_dw"), stride: stride,
                groups: h.channels, norm: prefix + (isExpanding ? "bn2" : "bn1"), activation: activation)
        }
        if net.contains(prefix + "se.conv_reduce.weight") {
            try net.squeezeAndExcite(
                h, reduce: prefix + "se.conv_reduce", expand: prefix + "se.conv_expand",
                activation: squeezeActivation, gate: gate)
        }
        let name = prefix + (isFused || isExpanding ? "conv_pwl" : "conv_pw")
        let outputs = try net.outputs(of: name)
        return try convolution(
            net, h, name, outputs: outputs, norm: prefix + (isExpanding ? "bn3" : "bn2"),
            residual: stride == 1 && x.channels == outputs ? x : nil)
    }
}
