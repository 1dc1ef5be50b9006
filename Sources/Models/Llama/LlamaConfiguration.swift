import ModelIO
import TensorCore

/// What the `config.json` of Llama and the models of its shape says.
struct LlamaConfiguration: Sendable {
    private(set) var description: DecoderDescription
    let rmsNormEpsilon: Float
    let activation: Activation
    let rope: RopeConfiguration
    /// How the rows of query and key are ordered; `rope_layout` of models from GGUF files.
    let ropeLayout: RopeLayout
    /// Tokens a query of each layer sees; `nil`: all.
    let slidingWindows: [Int?]
    /// Biases of query, key and value; of the attention's output; of the feed-forward projections.
    let hasProjectionBias: Bool
    let hasOutputBias: Bool
    let hasFeedForwardBias: Bool
    /// Whether each head of query and key is normed before it is rotated (Qwen3).
    let hasHeadNorms: Bool
    /// Whether query, key and value are one stored matrix, and gate and up projection another (Phi-3).
    let hasFusedProjections: Bool
    /// The experts of the feed-forward part; `nil`: there are none (all but Mixtral and Qwen3-MoE).
    let experts: ExpertSettings?
    /// Which layers have experts.
    let hasExperts: [Bool]
    let tiesHead: Bool

    init(_ file: ModelConfiguration) throws {
        let geometry = try file.attentionGeometry()
        description = try DecoderDescription(file, geometry)
        rmsNormEpsilon = Float(try file.keys.number("rms_norm_eps", in: NumberRange.positive))
        activation = try file.activation("hidden_act")
        rope = try file.rope(headSize: geometry.headSize)
        ropeLayout = try LlamaConfiguration.ropeLayout(file)
        slidingWindows = try LlamaConfiguration.slidingWindows(file, layerCount: description.layerCount)
        // Qwen2 has biases on query, key and value without saying so in its configuration.
        let saysBias = try file.keys.flag("attention_bias", default: false)
        hasProjectionBias = saysBias || file.modelType == "qwen2"
        hasOutputBias = saysBias
        hasFeedForwardBias = try file.keys.flag("mlp_bias", default: false)
        hasHeadNorms = ["qwen3", "qwen3_moe"].contains(file.modelType)
        hasFusedProjections = file.modelType == "phi3"
        experts = ["mixtral", "qwen3_moe"].contains(file.modelType) ? try ExpertSettings(file) : nil
        hasExperts = try LlamaConfiguration.layersWithExperts(
            file, layerCount: description.layerCount, hasAny: experts != nil)
        description.expertFeatureCount = experts.map { max($0.intermediateSize, geometry.hiddenSize) } ?? 0
        tiesHead = try file.tiesWordEmbeddings()
    }

    /// All of Mixtral's; of Qwen3-MoE's every `decoder_sparse_step`-th but those that `mlp_only_layers` names.
    private static func layersWithExperts(
        _ file: ModelConfiguration, layerCount: Int, hasAny: Bool
    ) throws -> [Bool] {
        guard hasAny else { return Array(repeating: false, count: layerCount) }
        let step = try file.keys.optionalSize("decoder_sparse_step", maximum: SizeLimit.layers) ?? 1
        let dense = try file.keys.integers("mlp_only_layers", in: 0...SizeLimit.layers) ?? []
        return (0..<layerCount).map { ($0 + 1) % step == 0 && !dense.contains($0) }
    }

    func attention(layer: Int) -> AttentionParameters {
        AttentionParameters(
            headCount: description.headCount, scale: 1 / Float(description.headSize).squareRoot(),
            slidingWindow: slidingWindows[layer])
    }

    private static func ropeLayout(_ file: ModelConfiguration) throws -> RopeLayout {
        let key = "rope_layout"
        guard let name = try file.keys.optionalString(key) else { return .halfSplit }
        guard let layout = RopeLayout(rawValue: name) else {
            throw LoadError.unsupportedValue(
                path: file.path, key: key, value: name, supported: RopeLayout.allCases.map(\.rawValue))
        }
        return layout
    }

    /// Llama has no window; Mistral's and Phi-3's hold for every layer; Qwen's only where asked for, and then for the
    /// layers that `layer_types` names or, in older files, those from `max_window_layers` on.
    private static func slidingWindows(_ file: ModelConfiguration, layerCount: Int) throws -> [Int?] {
        let isQwen = file.modelType.hasPrefix("qwen")
        let uses = try file.keys.flag("use_sliding_window", default: !isQwen)
        guard file.modelType != "llama", uses, let window = try file.slidingWindow() else {
            return Array(repeating: nil, count: layerCount)
        }
        if let isSliding = try file.slidingLayers(layerCount: layerCount) {
            return isSliding.map { $0 ? window : nil }
        }
        let first = isQwen ? try file.keys.optionalInteger("max_window_layers", in: 0...SizeLimit.layers) ?? 28 : 0
        return (0..<layerCount).map { $0 >= first ? window : nil }
    }

    /// The plan of a model with this configuration, which was read from `file`.
    func plan(_ file: ModelConfiguration) -> DecoderPlan {
        DecoderPlan(file, description, prefixes: ["model.", ""]) {
            try LlamaModel(configuration: self, weights: $0, target: $1)
        }
    }
}
