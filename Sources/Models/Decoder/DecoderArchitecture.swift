import ModelIO
import TensorCore

/// What a decoder is made of: everything in which the families differ, filled in from a configuration. `DecoderLoader` finds
/// the tensors, `TransformerDecoder` computes.
///
/// Legend: `D` hidden size, `H`, `KH` heads, `F` intermediate size, `V` vocabulary.
struct DecoderArchitecture: Sendable {
    /// How the two sublayers of a layer stand to each other.
    enum Order: Sendable {
        /// `h += attention(norm₁(h)); h += feedForward(norm₂(h))`.
        case sequential
        /// `h += attention(norm₁(h)) + feedForward(norm₂(h))`, both of the same `h`. Without a second norm the first one's
        /// output feeds both.
        case parallel
    }

    /// The kind of every norm of the residual stream.
    enum NormKind: Sendable {
        /// - Parameter offset: added to every weight as it is stored.
        case rms(offset: Float = 0)
        case layer(hasBias: Bool = true)
    }

    /// What is normed of query and key before they are rotated.
    enum HeadNormKind: Sendable {
        /// Each head for itself, all with the same weights (`[headSize]`).
        case eachHead
        /// Each head for itself, by a layer norm without bias and with its own weights (`[H, headSize]`).
        case eachHeadByLayerNorm
        /// All heads of the query together, and all of the key (`[H * headSize]`, `[KH * headSize]`).
        case allHeads
    }

    /// What one layer computes.
    struct Layer: Sendable {
        var attention: AttentionParameters
        /// `nil`: the layer knows no positions.
        var rope: RopeConfiguration?
        /// Whether the feed-forward part is a mixture of experts.
        var hasExperts = false
    }

    var sizes: DecoderDescription
    var names = DecoderTensorNames()
    /// What may stand before the names, such as `model.`.
    var prefixes = ["model.", ""]
    var order = Order.sequential
    var norm: NormKind
    var normEpsilon: Float
    var headNorm: HeadNormKind?
    var layers: [Layer]
    /// How the rotated elements of query and key pair up.
    var ropeLayout = RopeLayout.halfSplit
    /// The feed-forward part's, or its gate's.
    var activation: Activation
    var experts: ExpertSettings?

    /// Multiplies the embedding.
    var embeddingScale: Float = 1
    /// Multiplies what each sublayer adds to the residual stream.
    var residualScale: Float = 1
    /// Rows of a learned position embedding that come before the one of position 0; `nil`: there is none.
    var positionOffset: Int?
    /// Multiplies the logits, before their cap.
    var logitScale: Float = 1
    var logitCap: Float?
    /// Whether the head's matrix is the embedding's.
    var tiesHead: Bool
    /// Whether files of the checkpoint's class have a head: not those of embedders and classifiers.
    var mustHaveHead: Bool

    var hasProjectionBias = false
    var hasOutputBias = false
    var hasFeedForwardBias = false
    var hasHeadBias = false
    /// Whether matrices are stored `[K, N]`.
    var storesTransposed = false

    /// What most families read under the same keys: sizes, and scores scaled by the root of the head's size.
    /// - Parameters:
    ///   - epsilonKey: the key of the norms' epsilon.
    ///   - expansion: how many times the hidden size the feed-forward part is wide where the file does not say;
    ///     `nil`: it must.
    /// - Throws: `LoadError` naming the key that is missing or out of bounds.
    init(
        _ file: ModelConfiguration, norm: NormKind, epsilonKey: String, activation: Activation, expansion: Int? = nil
    ) throws {
        let epsilon = Float(try file.keys.number(epsilonKey, in: NumberRange.positive))
        try self.init(file, norm: norm, epsilon: epsilon, activation: activation, expansion: expansion)
    }

    /// The same for norms whose epsilon no file gives.
    init(
        _ file: ModelConfiguration, norm: NormKind, epsilon: Float, activation: Activation, expansion: Int? = nil
    ) throws {
        let geometry = try file.attentionGeometry()
        sizes = try DecoderDescription(file, geometry, expansion: expansion)
        self.norm = norm
        normEpsilon = epsilon
        self.activation = activation
        let attention = AttentionParameters(
            headCount: geometry.headCount, scale: 1 / Float(geometry.headSize).squareRoot())
        layers = Array(repeating: Layer(attention: attention), count: sizes.layerCount)
        tiesHead = try file.tiesWordEmbeddings()
        mustHaveHead = file.hasLanguageModelHead
    }

    /// The plan of a model of this architecture, whose configuration is `file`.
    func plan(_ file: ModelConfiguration) -> DecoderPlan {
        var sizes = sizes
        sizes.slidingWindows = layers.map(\.attention.slidingWindow)
        return DecoderPlan(file, sizes, prefixes: prefixes) {
            let loader = try LayerLoader(weights: $0, target: $1, adaptersOf: self.sizes)
            let model = try DecoderLoader(architecture: self, loader: loader).load()
            try $1.adapters?.requireAllUsed()
            return model
        }
    }

    /// Gives each layer its window: tokens that a query sees, itself included; `nil`: all.
    mutating func setWindows(_ windows: [Int?]) {
        for (index, window) in zip(layers.indices, windows) { layers[index].attention.slidingWindow = window }
    }

    /// Rotates query and key of every layer.
    mutating func setRope(_ rope: RopeConfiguration) {
        for index in layers.indices { layers[index].rope = rope }
    }

    mutating func setAttentionScale(_ scale: Float) {
        for index in layers.indices { layers[index].attention.scale = scale }
    }
}
