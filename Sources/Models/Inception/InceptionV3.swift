import ModelIO
import TensorCore

extension VisionArchitecture {
    /// Inception v3 by the names of torchvision and timm, without its second classifier. (Szegedy et al., 2016)
    ///
    ///     each block: h = [branch; branch; …], one behind the other; a branch is a pool and some relu(norm(conv(h)))
    static func inceptionV3(_ file: ModelConfiguration) throws -> VisionArchitecture {
        var description = try file.torchDescription()
        description.inputSize = Extent2D(299)
        (description.pixelMean, description.pixelDeviation) = ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
        return VisionArchitecture(description: description) { [description] net, x in
            let inception = InceptionV3(net: net)
            var h = try inception.stem(x)
            for (name, block) in InceptionV3.blocks { h = try inception.block(h, name, block) }
            return [try net.head(try net.adaptiveAveragePool(h), "fc", of: description)]
        }
    }
}

/// One path through a block: a pool, convolutions in a row, and at its end one or two side by side.
private struct InceptionBranch {
    enum Pool {
        case none
        case average
        case maximum
    }

    typealias Layer = (name: String, sliding: Sliding)
    var pool = Pool.none
    var layers: [Layer] = []
    /// Convolutions of the same input, whose results follow on each other; none: the result is that of `layers`.
    var ends: [Layer] = []
}

/// What is behind the names of Inception v3's blocks.
private struct InceptionV3 {
    let net: NetworkBuilder

    private static let one = Sliding(1)
    private static let three = Sliding(3, padding: 1)
    private static let cut = Sliding(3, stride: 2)

    /// One line of taps, as wide as `width` or as high.
    private static func line(_ size: Int, isRow: Bool) -> Sliding {
        isRow
            ? Sliding(
                kernel: Extent2D(height: 1, width: size), padding: Extent2D(height: 0, width: size / 2))
            : Sliding(
                kernel: Extent2D(height: size, width: 1), padding: Extent2D(height: size / 2, width: 0))
    }

    static let blocks: [(String, [InceptionBranch])] = {
        let (row, column) = (line(7, isRow: true), line(7, isRow: false))
        let pooled = InceptionBranch(pool: .average, layers: [("branch_pool", one)])
        let plain = InceptionBranch(layers: [("branch1x1", one)])
        let first: [InceptionBranch] = [
            plain,
            InceptionBranch(layers: [("branch5x5_1", one), ("branch5x5_2", Sliding(5, padding: 2))]),
            InceptionBranch(layers: [("branch3x3dbl_1", one), ("branch3x3dbl_2", three), ("branch3x3dbl_3", three)]),
            pooled,
        ]
        let firstCut: [InceptionBranch] = [
            InceptionBranch(layers: [("branch3x3", cut)]),
            InceptionBranch(layers: [("branch3x3dbl_1", one), ("branch3x3dbl_2", three), ("branch3x3dbl_3", cut)]),
            InceptionBranch(pool: .maximum),
        ]
        let middle: [InceptionBranch] = [
            plain,
            InceptionBranch(layers: [("branch7x7_1", one), ("branch7x7_2", row), ("branch7x7_3", column)]),
            InceptionBranch(layers: [
                ("branch7x7dbl_1", one), ("branch7x7dbl_2", column), ("branch7x7dbl_3", row),
                ("branch7x7dbl_4", column), ("branch7x7dbl_5", row),
            ]),
            pooled,
        ]
        let secondCut: [InceptionBranch] = [
            InceptionBranch(layers: [("branch3x3_1", one), ("branch3x3_2", cut)]),
            InceptionBranch(layers: [
                ("branch7x7x3_1", one), ("branch7x7x3_2", row), ("branch7x7x3_3", column), ("branch7x7x3_4", cut),
            ]),
            InceptionBranch(pool: .maximum),
        ]
        let (short, high) = (line(3, isRow: true), line(3, isRow: false))
        let last: [InceptionBranch] = [
            plain,
            InceptionBranch(
                layers: [("branch3x3_1", one)], ends: [("branch3x3_2a", short), ("branch3x3_2b", high)]),
            InceptionBranch(
                layers: [("branch3x3dbl_1", one), ("branch3x3dbl_2", three)],
                ends: [("branch3x3dbl_3a", short), ("branch3x3dbl_3b", high)]),
            pooled,
        ]
        return ["5b", "5c", "5d"].map { ("Mixed_" + $0, first) } + [("Mixed_6a", firstCut)]
            + ["6b", "6c", "6d", "6e"].map { ("Mixed_" + $0, middle) } + [("Mixed_7a", secondCut)]
            + ["7b", "7c"].map { ("Mixed_" + $0, last) }
    }()

    func stem(_ x: FeatureMap) throws -> FeatureMap {
        var h = try layer(x, "Conv2d_1a_3x3", Self.cut)
        h = try layer(h, "Conv2d_2a_3x3", Sliding(3))
        h = try net.maxPool(try layer(h, "Conv2d_2b_3x3", Self.three), Self.cut)
        h = try layer(h, "Conv2d_3b_1x1", Self.one)
        return try net.maxPool(try layer(h, "Conv2d_4a_3x3", Sliding(3)), Self.cut)
    }

    func block(_ x: FeatureMap, _ name: String, _ branches: [InceptionBranch]) throws -> FeatureMap {
        /// What each branch ends with, and its channels.
        let widths = try branches.map { branch in
            let ends = branch.ends.isEmpty ? Array(branch.layers.suffix(1)) : branch.ends
            return ends.isEmpty ? [x.channels] : try ends.map { try net.outputs(of: "\(name).\($0.name).conv") }
        }
        let isCut = branches.contains { $0.pool == .maximum }
        let size = isCut ? try net.window(Self.cut, over: x, name: name).grid : x.size
        let output = try net.map(size: size, channels: widths.joined().reduce(0, +))
        var start = 0
        for (branch, widths) in zip(branches, widths) {
            let places = widths.map { width in
                defer { start += width }
                return output.channels(start..<start + width)
            }
            try self.branch(x, name, branch, into: places)
        }
        return output
    }

    private func branch(
        _ x: FeatureMap, _ name: String, _ branch: InceptionBranch, into places: [FeatureMap]
    ) throws {
        var h = x
        switch branch.pool {
        case .none: break
        case .average: h = try net.averagePool(x, Self.three)
        case .maximum: h = try net.maxPool(x, Self.cut, into: places[0])
        }
        let isLast = branch.ends.isEmpty
        for (index, part) in branch.layers.enumerated() {
            let place = isLast && index == branch.layers.count - 1 ? places[0] : nil
            h = try layer(h, "\(name).\(part.name)", part.sliding, into: place)
        }
        for (end, place) in zip(branch.ends, places) {
            _ = try layer(h, "\(name).\(end.name)", end.sliding, into: place)
        }
    }

    private func layer(
        _ x: FeatureMap, _ name: String, _ sliding: Sliding, into target: FeatureMap? = nil
    ) throws -> FeatureMap {
        try net.convolution(
            x, name + ".conv", sliding, hasBias: false, norm: BatchNorm(name: name + ".bn", epsilon: 0.001),
            activation: .relu, into: target)
    }
}
