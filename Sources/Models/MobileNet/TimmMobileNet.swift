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
        return models
    }()
}

extension VisionArchitecture {
    /// MobileNetV2 and V3 and EfficientNet by the names of timm. (Sandler et al., 2018; Howard et al., 2019; Tan and Le, 2019)
    ///
    ///     each block: h = reduce 1x1(squeeze and excite(act(depthwise conv(act(expand 1x1(x))))));  h + x where shapes allow it
    static func timmMobileNet(_ file: ModelConfiguration, _ model: TimmMobileNet) throws -> VisionArchitecture {
        let description = try file.torchDescription()
        return VisionArchitecture(description: description) { net, x in
            var h = try net.convolution(
                x, "conv_stem", Sliding(3, stride: 2, padding: 1), norm: BatchNorm(name: "bn1"),
                activation: model.activation)
            for (stage, stride) in model.strides.enumerated() {
                let activation = stage < model.reluStageCount ? .relu : model.activation
                var block = 0
                while net.contains("blocks.\(stage).\(block).conv_pw.weight")
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
                h = try net.convolution(
                    h, "conv_head", Sliding(1), norm: BatchNorm(name: "bn2"), activation: model.activation)
            }
            let pooled = try net.adaptiveAveragePool(h)
            return [try net.head(pooled, "classifier", of: description)]
        }
    }
}

extension TimmMobileNet {
    /// A convolution alone, one that keeps channels apart with one of 1 x 1 behind it, or such a pair behind one that makes
    /// more channels: as the tensors say.
    fileprivate func block(
        _ net: NetworkBuilder, _ x: FeatureMap, _ prefix: String, stride: Int, activation: Activation
    ) throws -> FeatureMap {
        guard net.contains(prefix + "conv_dw.weight") else {
            return try net.convolution(
                x, prefix + "conv", Sliding(1, stride: stride), norm: BatchNorm(name: prefix + "bn1"),
                activation: activation)
        }
        let isExpanding = net.contains(prefix + "conv_pwl.weight")
        var h = x
        if isExpanding {
            h = try net.convolution(
                x, prefix + "conv_pw", Sliding(1), norm: BatchNorm(name: prefix + "bn1"), activation: activation)
        }
        let kernel = net.extents(of: prefix + "conv_dw.weight")?.last ?? 3
        h = try net.convolution(
            h, prefix + "conv_dw", outputs: h.channels, Sliding(kernel, stride: stride, padding: kernel / 2),
            groups: h.channels, norm: BatchNorm(name: prefix + (isExpanding ? "bn2" : "bn1")), activation: activation)
        if net.contains(prefix + "se.conv_reduce.weight") {
            try net.squeezeAndExcite(
                h, reduce: prefix + "se.conv_reduce", expand: prefix + "se.conv_expand",
                activation: squeezeActivation, gate: gate)
        }
        let name = prefix + (isExpanding ? "conv_pwl" : "conv_pw")
        let outputs = try net.outputs(of: name)
        return try net.convolution(
            h, name, outputs: outputs, Sliding(1), norm: BatchNorm(name: prefix + (isExpanding ? "bn3" : "bn2")),
            residual: stride == 1 && x.channels == outputs ? x : nil)
    }
}
