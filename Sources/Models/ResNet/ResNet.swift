import ModelIO
import TensorCore

extension VisionArchitecture {
    /// ResNet as `transformers` has it. (He, Zhang, Ren and Sun, 2016)
    ///
    ///     h = max pool(relu(norm(conv 7x7 stride 2(x))));  each block: h = relu(branch(h) + shortcut(h))
    ///
    /// The branch is two convolutions 3 x 3 (`basic`), or 1 x 1, 3 x 3 and 1 x 1 (`bottleneck`), each with a batch norm.
    static func resNet(_ file: ModelConfiguration) throws -> VisionArchitecture {
        let keys = file.keys
        let shape = ResNetShape(
            embeddingSize: try keys.optionalSize("embedding_size") ?? 64,
            widths: try keys.integers("hidden_sizes", in: 1...SizeLimit.width) ?? [256, 512, 1024, 2048],
            depths: try keys.integers("depths", in: 1...SizeLimit.layers) ?? [3, 4, 6, 3],
            isBottleneck: try file.isBottleneck(), activation: try file.activation("hidden_act", default: "relu"),
            strideOfFirstStage: try keys.flag("downsample_in_first_stage", default: false) ? 2 : 1,
            stridesFirst: try keys.flag("downsample_in_bottleneck", default: false))
        guard shape.widths.count == shape.depths.count, !shape.widths.isEmpty else {
            throw LoadError.contradiction(
                path: file.path, keys: ["hidden_sizes", "depths"],
                reason: "\(shape.widths.count) sizes for \(shape.depths.count) stages")
        }
        let description = try file.imageDescription()
        let isClassifier = description.task == .classification
        return VisionArchitecture(description: description, prefixes: ["resnet.", ""]) { net, x in
            let h = try shape.build(net, x, names: ResNetNames.huggingFace)
            let pooled = try net.adaptiveAveragePool(h)
            guard isClassifier else { return [.pixels("last_hidden_state", h), .pixels("pooler_output", pooled)] }
            return [.vector("logits", try net.linear(pooled, "classifier.1", outputs: description.labels.count))]
        }
    }

    /// ResNet, wide ResNet and ResNeXt by the names of torchvision and timm.
    ///
    /// Channels are those of the tensors.
    static func torchResNet(
        _ file: ModelConfiguration, depths: [Int], isBottleneck: Bool, groups: Int = 1
    ) throws -> VisionArchitecture {
        let labels = try file.imageLabels(default: 1000)
        let description = VisionDescription(
            architecture: file.modelType, task: .classification, channelCount: try file.pretrainedChannels(),
            inputSize: nil, isSizeFixed: false, labels: labels)
        return VisionArchitecture(description: description) { net, x in
            func widths(_ layer: Int) throws -> [Int] {
                try depths.indices.map { try net.outputs(of: "layer\($0 + 1).0.conv\(layer)") }
            }
            let shape = ResNetShape(
                embeddingSize: try net.outputs(of: "conv1"), widths: try widths(isBottleneck ? 3 : 2), depths: depths,
                isBottleneck: isBottleneck, innerWidths: try widths(1), groups: groups, activation: .relu,
                strideOfFirstStage: 1, stridesFirst: false)
            let h = try shape.build(net, x, names: ResNetNames.torch)
            return [
                .vector("logits", try net.linear(try net.adaptiveAveragePool(h), "fc", outputs: labels.count))
            ]
        }
    }
}

/// What a ResNet's tensors are called.
struct ResNetNames: Sendable {
    var stem: (convolution: String, norm: String)
    /// The names of the `index`-th convolution and its norm of a block.
    var layer: @Sendable (_ stage: Int, _ block: Int, _ index: Int) -> (convolution: String, norm: String)
    var shortcut: @Sendable (_ stage: Int, _ block: Int) -> (convolution: String, norm: String)

    static let huggingFace = ResNetNames(
        stem: ("embedder.embedder.convolution", "embedder.embedder.normalization"),
        layer: { stage, block, index in
            let prefix = "encoder.stages.\(stage).layers.\(block).layer.\(index)"
            return (prefix + ".convolution", prefix + ".normalization")
        },
        shortcut: { stage, block in
            let prefix = "encoder.stages.\(stage).layers.\(block).shortcut"
            return (prefix + ".convolution", prefix + ".normalization")
        })

    static let torch = ResNetNames(
        stem: ("conv1", "bn1"),
        layer: { stage, block, index in
            let prefix = "layer\(stage + 1).\(block)."
            return ("\(prefix)conv\(index + 1)", "\(prefix)bn\(index + 1)")
        },
        shortcut: { stage, block in
            let prefix = "layer\(stage + 1).\(block).downsample."
            return (prefix + "0", prefix + "1")
        })
}

/// The sizes of a ResNet.
struct ResNetShape: Sendable {
    var embeddingSize: Int
    /// Channels that each stage ends with.
    var widths: [Int]
    var depths: [Int]
    var isBottleneck: Bool
    /// Channels of the 3 x 3 convolution of each stage; `nil`: a quarter of its width, or in a basic block all of it.
    var innerWidths: [Int]?
    var groups = 1
    var activation: Activation
    var strideOfFirstStage: Int
    /// Whether a bottleneck's first convolution takes the stride, not its second (v1, not v1.5).
    var stridesFirst: Bool

    func build(_ net: NetworkBuilder, _ x: FeatureMap, names: ResNetNames) throws -> FeatureMap {
        var h = try net.convolution(
            x, names.stem.convolution, outputs: embeddingSize, Sliding(7, stride: 2, padding: 3),
            norm: BatchNorm(name: names.stem.norm), activation: activation)
        h = try net.maxPool(h, Sliding(3, stride: 2, padding: 1))
        for stage in widths.indices {
            for block in 0..<depths[stage] {
                let stride = block > 0 ? 1 : stage == 0 ? strideOfFirstStage : 2
                h = try self.block(net, h, stage, block, stride: stride, names: names)
            }
        }
        return h
    }

    private func block(
        _ net: NetworkBuilder, _ x: FeatureMap, _ stage: Int, _ block: Int, stride: Int, names: ResNetNames
    ) throws -> FeatureMap {
        let width = widths[stage]
        let inner = innerWidths?[stage] ?? (isBottleneck ? max(width / 4, 1) : width)
        var shortcut = x
        if x.channels != width || stride != 1 {
            let name = names.shortcut(stage, block)
            shortcut = try net.convolution(
                x, name.convolution, outputs: width, Sliding(1, stride: stride), norm: BatchNorm(name: name.norm))
        }
        let sizes: [(kernel: Int, outputs: Int, stride: Int, groups: Int)] =
            isBottleneck
            ? [
                (1, inner, stridesFirst ? stride : 1, 1), (3, inner, stridesFirst ? 1 : stride, groups),
                (1, width, 1, 1),
            ] : [(3, inner, stride, 1), (3, width, 1, 1)]
        var h = x
        for (index, size) in sizes.enumerated() {
            let name = names.layer(stage, block, index)
            let isLast = index == sizes.count - 1
            h = try net.convolution(
                h, name.convolution, outputs: size.outputs,
                Sliding(size.kernel, stride: size.stride, padding: size.kernel / 2), groups: size.groups,
                norm: BatchNorm(name: name.norm), activation: activation, residual: isLast ? shortcut : nil,
                addsResidualFirst: true)
        }
        return h
    }
}

extension ModelConfiguration {
    fileprivate func isBottleneck() throws -> Bool {
        let type = try keys.optionalString("layer_type") ?? "bottleneck"
        guard ["bottleneck", "basic"].contains(type) else {
            throw LoadError.unsupportedValue(
                path: path, key: "layer_type", value: type, supported: ["basic", "bottleneck"])
        }
        return type == "bottleneck"
    }

    /// Channels of an image, of `model_args` or else `pretrained_cfg` in folders of timm.
    func pretrainedChannels() throws -> Int {
        if let count = try keys.optionalSize("num_channels", "in_chans") { return count }
        if let count = try keys.object("model_args")?.optionalSize("in_chans") { return count }
        return try keys.object("pretrained_cfg")?.integers("input_size", in: 1...SizeLimit.width)?.first ?? 3
    }
}
