import ModelIO
import TensorCore

/// What torchvision's code says of its small convolutional networks; channels, kernels and layers are those of the tensors.
struct TorchMobileNet: Sendable {
    /// Of each block; of each stage's first block where blocks stand in stages.
    var strides: [Int]
    var hasStages = false
    var activation: Activation
    /// Blocks from the first on that have `relu` in place of `activation`.
    var reluBlockCount = 0
    /// Inside of squeeze and excitation.
    var squeezeActivation = Activation.relu
    var gate = Activation.hardSigmoid
    var epsilon = 1e-5
    /// The layers of the head, with `activation` between them.
    var classifier: [String]

    static let v2 = TorchMobileNet(
        strides: [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1], activation: .relu6,
        classifier: ["classifier.1"])

    static let named: [String: TorchMobileNet] = {
        var models = [
            "mobilenet_v3_small": v3(strides: [2, 2, 1, 2, 1, 1, 1, 1, 2, 1, 1], reluBlockCount: 3),
            "mobilenet_v3_large": v3(strides: [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1], reluBlockCount: 6),
            "efficientnet_v2_s": efficientNet([1, 2, 2, 2, 1, 2], epsilon: 1e-3),
        ]
        let long = [1, 2, 2, 2, 1, 2, 1]
        for size in ["m", "l"] { models["efficientnet_v2_" + size] = efficientNet(long, epsilon: 1e-3) }
        // timm calls these the same; which one a file has its tensors tell.
        for index in 0...7 {
            models["efficientnet_b\(index)"] = efficientNet(long, epsilon: index < 5 ? 1e-5 : 1e-3)
        }
        return models
    }()

    private static func efficientNet(_ strides: [Int], epsilon: Double) -> TorchMobileNet {
        TorchMobileNet(
            strides: strides, hasStages: true, activation: .silu, squeezeActivation: .silu, gate: .sigmoid,
            epsilon: epsilon, classifier: ["classifier.1"])
    }

    private static func v3(strides: [Int], reluBlockCount: Int) -> TorchMobileNet {
        TorchMobileNet(
            strides: strides, activation: .hardSwish, reluBlockCount: reluBlockCount, epsilon: 0.001,
            classifier: ["classifier.0", "classifier.3"])
    }
}

extension VisionArchitecture {
    /// MobileNetV2 and V3 and EfficientNet by the names of torchvision. (Sandler et al., 2018; Howard et al., 2019; Tan and Le,
    /// 2019 and 2021)
    static func torchMobileNet(_ file: ModelConfiguration, _ model: TorchMobileNet) throws -> VisionArchitecture {
        let description = try file.torchDescription()
        return VisionArchitecture(description: description) { net, x in
            var h = try net.convolution(
                x, "features.0.0", Sliding(3, stride: 2, padding: 1), norm: model.norm("features.0.1"),
                activation: model.activation)
            for (index, stride) in model.strides.enumerated() {
                let prefix = "features.\(index + 1)."
                let activation = index < model.reluBlockCount ? .relu : model.activation
                guard model.hasStages else {
                    h = try model.block(net, h, prefix, stride: stride, activation: activation)
                    continue
                }
                var block = 0
                while net.contains("\(prefix)\(block).block.0.0.weight"), block < SizeLimit.layers {
                    h = try model.block(
                        net, h, "\(prefix)\(block).", stride: block == 0 ? stride : 1, activation: activation)
                    block += 1
                }
            }
            let last = "features.\(model.strides.count + 1)"
            h = try net.convolution(
                h, last + ".0", Sliding(1), norm: model.norm(last + ".1"), activation: model.activation)
            var pooled = try net.adaptiveAveragePool(h)
            for name in model.classifier.dropLast() {
                pooled = try net.linear(
                    pooled, name, outputs: try net.outputs(of: name), activation: model.activation)
            }
            let name = model.classifier[model.classifier.count - 1]
            return [try net.head(pooled, name, of: description)]
        }
    }
}

extension TorchMobileNet {
    fileprivate func norm(_ name: String) -> BatchNorm { BatchNorm(name: name, epsilon: epsilon) }

    /// One layer of a block: squeeze and excitation, or a convolution with its norm.
    private enum Layer {
        case squeeze(String)
        case convolution(String, norm: String)
    }

    /// The layers as torchvision numbers them: a convolution with its norm is a module of its own (`0.0` and `0.1`), but for
    /// V2's last ones (`1` and `2`).
    private static func layers(_ net: NetworkBuilder, _ prefix: String) -> [Layer] {
        var layers: [Layer] = []
        var index = 0
        while index < SizeLimit.layers {
            if net.contains("\(prefix)\(index).fc1.weight") {
                layers.append(.squeeze("\(prefix)\(index)"))
                index += 1
            } else if net.contains("\(prefix)\(index).0.weight") {
                layers.append(.convolution("\(prefix)\(index).0", norm: "\(prefix)\(index).1"))
                index += 1
            } else if net.extents(of: "\(prefix)\(index).weight")?.count == 4 {
                layers.append(.convolution("\(prefix)\(index)", norm: "\(prefix)\(index + 1)"))
                index += 2
            } else {
                break
            }
        }
        return layers
    }

    fileprivate func block(
        _ net: NetworkBuilder, _ x: FeatureMap, _ name: String, stride: Int, activation: Activation
    ) throws -> FeatureMap {
        let prefix = name + (net.contains(name + "conv.0.0.weight") ? "conv." : "block.")
        let layers = TorchMobileNet.layers(net, prefix)
        guard !layers.isEmpty else {
            throw LoadError.missingTensor(path: net.path, name: prefix + "0.0.weight", tried: [prefix + "0.0.weight"])
        }
        var h = x
        for (index, layer) in layers.enumerated() {
            switch layer {
            case .squeeze(let name):
                try net.squeezeAndExcite(
                    h, reduce: name + ".fc1", expand: name + ".fc2", activation: squeezeActivation, gate: gate)
            case .convolution(let name, let normName):
                let outputs = try net.outputs(of: name)
                let isLast = index == layers.count - 1
                let kernel = net.extents(of: name + ".weight")?.last ?? 1
                let isDepthwise = !isLast && net.extents(of: name + ".weight")?.dropFirst().first == 1
                // One layer of a block looks at more than one pixel: what keeps channels apart, or else the first.
                let isWide = isDepthwise || (kernel > 1 && index == 0)
                let isAdded = isLast && stride == 1 && x.channels == outputs
                h = try net.convolution(
                    h, name, outputs: outputs,
                    Sliding(kernel, stride: isWide ? stride : 1, padding: kernel / 2),
                    groups: isDepthwise ? h.channels : 1, norm: norm(normName),
                    activation: isLast && layers.count > 1 ? nil : activation, residual: isAdded ? x : nil)
            }
        }
        return h
    }
}
