import ModelIO
import TensorCore

extension VisionArchitecture {
    /// ResNet as `transformers` has it. (He, Zhang, Ren and Sun, 2016)
    ///
    ///     h = max pool(relu(norm(conv 7x7 stride 2(x))));  each block: h = relu(branch(h) + shortcut(h))
    ///
    /// The branch is two convolutions 3 x 3 (`basic`), or 1 x 1, 3 x 3 and 1 x 1 (`bottleneck`), each with a batch norm. Only
    /// the stem and the ends of blocks have the activation of `hidden_act`; inside it is ReLU.
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

    /// ResNet, wide ResNet, ResNeXt and SE-ResNet by the names of torchvision and timm. (He et al., 2018, for the stem of three
    /// convolutions and shortcuts that pool; Hu et al., 2018, for squeeze and excitation)
    ///
    /// Channels, groups and kinds of layers are those of the tensors.
    static func torchResNet(_ file: ModelConfiguration, depths: [Int]) throws -> VisionArchitecture {
        let description = try file.torchDescription()
        return VisionArchitecture(description: description) { net, x in
            func widths(_ layer: Int) throws -> [Int] {
                try depths.indices.map { try net.outputs(of: "layer\($0 + 1).0.conv\(layer)") }
            }
            let isBottleneck = net.contains("layer1.0.conv3.weight")
            let inner = try widths(1)
            // The second convolution reads as many channels of its input as one of its groups has.
            let read = net.extents(of: "layer1.0.conv2.weight")?.dropFirst().first ?? inner[0]
            let hasDeepStem = net.contains("conv1.0.weight")
            let shape = ResNetShape(
                embeddingSize: try net.outputs(of: hasDeepStem ? "conv1.6" : "conv1"),
                widths: try widths(isBottleneck ? 3 : 2), depths: depths, isBottleneck: isBottleneck,
                innerWidths: inner, groups: isBottleneck && read > 0 ? max(inner[0] / read, 1) : 1, activation: .relu,
                strideOfFirstStage: 1, stridesFirst: false)
            try shape.refuseOthers(net)
            let h = try shape.build(net, x, names: hasDeepStem ? .torchDeepStem : .torch)
            return [try net.head(try net.adaptiveAveragePool(h), "fc", of: description)]
        }
    }
}

/// What a ResNet's tensors are called.
struct ResNetNames: Sendable {
    var stem: (convolution: String, norm: String)
    /// The names of the `index`-th convolution and its norm of a block.
    var layer: @Sendable (_ stage: Int, _ block: Int, _ index: Int) -> (convolution: String, norm: String)
    var shortcut: @Sendable (_ stage: Int, _ block: Int) -> (convolution: String, norm: String)
    /// Convolutions of 3 x 3 with their norms in place of one of 7 x 7, the last of which is `stem`.
    var deepStem: [(convolution: String, norm: String)] = []
    /// The layers of a block's squeeze and excitation.
    var squeeze: (@Sendable (_ stage: Int, _ block: Int) -> (reduce: String, expand: String))?

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
        },
        squeeze: { stage, block in
            let prefix = "layer\(stage + 1).\(block).se."
            return (prefix + "fc1", prefix + "fc2")
        })

    static let torchDeepStem: ResNetNames = {
        var names = torch
        names.deepStem = [("conv1.0", "conv1.1"), ("conv1.3", "conv1.4")]
        names.stem = ("conv1.6", "bn1")
        return names
    }()
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

    /// - Throws: `LoadError`, also for a file with more blocks than these.
    func build(_ net: NetworkBuilder, _ x: FeatureMap, names: ResNetNames) throws -> FeatureMap {
        for stage in depths.indices {
            let name = names.layer(stage, depths[stage], 0).convolution
            guard net.contains(name + ".weight") else { continue }
            throw LoadError.unsupportedFile(
                path: net.path, reason: "has a layer '\(name)'; its config.json asks for blocks of \(depths) only")
        }
        var h = x
        for (index, layer) in names.deepStem.enumerated() {
            h = try net.convolution(
                h, layer.convolution, Sliding(3, stride: index == 0 ? 2 : 1, padding: 1),
                norm: BatchNorm(name: layer.norm), activation: activation)
        }
        let isSingle = names.deepStem.isEmpty
        h = try net.convolution(
            h, names.stem.convolution, outputs: embeddingSize,
            isSingle ? Sliding(7, stride: 2, padding: 3) : Sliding(3, stride: 1, padding: 1),
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
        let shortcut = try shortcut(net, x, stage, block, stride: stride, names: names)
        let squeeze = names.squeeze?(stage, block)
        let squeezes = squeeze.map { net.contains($0.reduce + ".weight") } ?? false
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
                norm: BatchNorm(name: name.norm), activation: !isLast ? .relu : squeezes ? nil : activation,
                residual: isLast && !squeezes ? shortcut : nil, addsResidualFirst: true)
        }
        guard let squeeze, squeezes else { return h }
        try net.squeezeAndExcite(
            h, reduce: squeeze.reduce, expand: squeeze.expand, activation: .relu, gate: .sigmoid)
        return try net.sum(h, shortcut, activation: activation)
    }

    private func shortcut(
        _ net: NetworkBuilder, _ x: FeatureMap, _ stage: Int, _ block: Int, stride: Int, names: ResNetNames
    ) throws -> FeatureMap {
        let name = names.shortcut(stage, block)
        // Where the shortcut pools, the pooling has the first number.
        if let behind = ResNetShape.behindPooling(name), net.extents(of: behind.convolution + ".weight")?.count == 4 {
            let pooled =
                stride == 1
                ? x : try net.averagePool(x, Sliding(2, stride: stride), roundsUp: true, countsPadding: false)
            return try net.convolution(
                pooled, behind.convolution, outputs: widths[stage], Sliding(1), norm: BatchNorm(name: behind.norm))
        }
        guard x.channels != widths[stage] || stride != 1 else { return x }
        return try net.convolution(
            x, name.convolution, outputs: widths[stage], Sliding(1, stride: stride), norm: BatchNorm(name: name.norm))
    }

    /// What timm calls a shortcut's layers there; `nil` for other names.
    private static func behindPooling(
        _ name: (convolution: String, norm: String)
    ) -> (convolution: String, norm: String)? {
        name.convolution.hasSuffix(".downsample.0") ? (name.norm, String(name.norm.dropLast()) + "2") : nil
    }

    /// Layers that some of timm's networks have beside those that are built here.
    /// - Throws: `LoadError.unsupportedFile`.
    func refuseOthers(_ net: NetworkBuilder) throws {
        for name in ["maxpool.0", "maxpool.1", "layer1.0.aa", "layer1.0.se.conv", "layer1.0.se.fc"]
        where net.contains(name + ".weight") {
            throw LoadError.unsupportedFile(path: net.path, reason: "has a layer '\(name)', which no ResNet here has")
        }
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
}
