import ModelIO
import TensorCore

/// The sizes of a vision transformer, and its layers: each patch of the image becomes a token behind one learned token (DeiT:
/// two), learned positions are added, and encoder layers with norms before each part follow.
///
///     h = [token; patches · W + b] + positions
///     each layer:  h = h + out(attention(qkv(norm(h))));  h = h + down(act(up(norm(h))))
///
/// Some models multiply what is added by a scale of each feature (Touvron et al., 2021), have a gate in the second part
/// (Shazeer, 2020), or take images of other sizes, for which the positions are resized.
struct ViTSizes: Sendable {
    let width: Int
    let layerCount: Int
    let headCount: Int
    let intermediateSize: Int
    let image: Extent2D
    let patch: Extent2D
    let epsilon: Double
    let activation: Activation
    /// Whether `up` makes gates, which are activated, and behind them what they are multiplied with.
    var isGated = false
    /// Whether the layers of query, key and value have biases, and the other layers; `nil`: as the checkpoint has them.
    var hasQueryBiases: Bool?
    var hasBiases: Bool?
    /// How positions are resized for images of other sizes; `nil`: there are none.
    var resizing: PositionResizing?
    private let path: String

    init(
        _ file: ModelConfiguration, width: Int, layerCount: Int, headCount: Int, intermediateSize: Int,
        image: Extent2D, patch: Extent2D, epsilon: Double, activation: Activation
    ) throws {
        guard width % headCount == 0, width / headCount <= 256 else {
            throw LoadError.contradiction(
                path: file.path, keys: ["hidden_size", "num_attention_heads"],
                reason: "\(width) features for \(headCount) heads of at most 256 each")
        }
        guard patch.height <= image.height, patch.width <= image.width else {
            throw LoadError.contradiction(
                path: file.path, keys: ["image_size", "patch_size"], reason: "patches of \(patch) in images of \(image)"
            )
        }
        self.width = width
        self.layerCount = layerCount
        self.headCount = headCount
        self.intermediateSize = intermediateSize
        self.image = image
        self.patch = patch
        self.epsilon = epsilon
        self.activation = activation
        path = file.path
    }

    /// The hidden states behind the last layer, before a norm: a map of one line of tokens.
    func encode(_ net: NetworkBuilder, _ x: FeatureMap, names: ViTNames) throws -> FeatureMap {
        var h = try embed(net, x, names: names)
        if let norm = names.norm { h = try net.layerNorm(h, norm, epsilon: epsilon) }
        return try layers(net, h, names: names)
    }

    /// The layers alone, over tokens that are embedded already.
    func layers(
        _ net: NetworkBuilder, _ x: FeatureMap, names: ViTNames, isCausal: Bool = false
    ) throws -> FeatureMap {
        var h = x
        for index in 0..<layerCount {
            let prefix = "\(names.layerPrefix)\(index)."
            let normed = try net.layerNorm(h, prefix + names.attentionNorm, epsilon: epsilon)
            let rows = names.projections.count == 1 ? 3 * width : width
            let projections = try net.linear(
                normed, names.projections.map { (prefix + $0, rows) }, hasBias: hasQueryBiases)
            let attended = try net.attention(
                projections, name: prefix + "attention", headCount: headCount, isCausal: isCausal)
            h = try added(net, attended, prefix + names.attentionOutput, prefix, names.attentionScale, to: h)
            let between = try net.layerNorm(h, prefix + names.feedForwardNorm, epsilon: epsilon)
            var up = try net.linear(
                between, prefix + names.up, outputs: isGated ? 2 * intermediateSize : intermediateSize,
                hasBias: hasBiases, activation: isGated ? nil : activation)
            if isGated { up = try net.gated(up, activation) }
            h = try added(net, up, prefix + names.down, prefix, names.feedForwardScale, to: h)
        }
        return h
    }

    /// `h + scale · layer(x)`.
    private func added(
        _ net: NetworkBuilder, _ x: FeatureMap, _ layer: String, _ prefix: String, _ scale: String?, to h: FeatureMap
    ) throws -> FeatureMap {
        let factors = try scale.flatMap { try net.factors(prefix + $0, count: width, isNeeded: true) }
        return try net.scaledLinear(x, layer, outputs: width, scale: factors, hasBias: hasBiases, residual: h)
    }

    private func embed(_ net: NetworkBuilder, _ x: FeatureMap, names: ViTNames) throws -> FeatureMap {
        guard x.size == image || resizing != nil else {
            throw LoadError.invalidFile(
                path: path, reason: "takes images of \(image) pixels, not of \(x.size); resize them")
        }
        let patches = try net.convolution(
            x, names.patches, outputs: width, Sliding(kernel: patch, stride: patch))
        let grid = Extent2D(height: image.height / patch.height, width: image.width / patch.width)
        var positions = TokenPositions(name: names.positions, grid: grid, resizing: resizing)
        if names.mayLeaveOutPositions, net.extents(of: names.positions)?.dropLast().last == grid.pixelCount {
            positions.learnedCount = 0
        } else if names.registers != nil, !names.mayLeaveOutPositions {
            positions.learnedCount = 1
        }
        return try net.tokens(patches, learned: names.learnedTokens, positions: positions)
    }

    /// The mean of two classifiers, of the first token and of the second one. (Touvron et al., 2021)
    func teacherLogits(
        _ net: NetworkBuilder, _ states: FeatureMap, count: Int,
        heads: [String] = ["cls_classifier", "distillation_classifier"]
    ) throws -> FeatureMap {
        let both = try net.map(size: Extent2D(height: 1, width: 2), channels: count)
        let rows = [states.firstRows, states.row(1)]
        for (index, name) in heads.enumerated() {
            _ = try net.linear(rows[index], [(name, count)], into: both.row(index))
        }
        return try net.adaptiveAveragePool(both)
    }
}

extension FeatureMap {
    /// Of each image one row.
    func row(_ index: Int) -> FeatureMap {
        let first = firstRows
        return FeatureMap(
            storage: storage, imageCount: imageCount, size: first.size, channels: channels,
            rowStride: first.rowStride, offset: offset + index * rowStride)
    }
}
