import ModelIO
import TensorCore

/// What the `config.json` of Llama and the models of its shape says.
struct LlamaConfiguration: Sendable {
    let description: DecoderDescription
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
    let tiesHead: Bool

    init(_ file: ModelConfiguration) throws {
        let geometry = try file.attentionGeometry()
        description = DecoderDescription(
            architecture: file.modelType,
            layerCount: try file.keys.size("num_hidden_layers", maximum: SizeLimit.layers),
            hiddenSize: geometry.hiddenSize, headCount: geometry.headCount,
            keyValueHeadCount: geometry.keyValueHeadCount, headSize: geometry.headSize,
            intermediateSize: try file.keys.size("intermediate_size"),
            vocabularySize: try file.keys.size("vocab_size", maximum: SizeLimit.vocabulary),
            maxContextLength: try file.keys.size("max_position_embeddings", maximum: SizeLimit.positions))
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
        tiesHead = try file.tiesWordEmbeddings()
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

    /// Llama has no window; Mistral's holds for every layer; Qwen2's only where asked for, and then for the layers that
    /// `layer_types` names or, in older files, those from `max_window_layers` on.
    private static func slidingWindows(_ file: ModelConfiguration, layerCount: Int) throws -> [Int?] {
        let isQwen = file.modelType == "qwen2"
        let uses = try file.keys.flag("use_sliding_window", default: !isQwen)
        guard file.modelType != "llama", uses, let window = try file.slidingWindow() else {
            return Array(repeating: nil, count: layerCount)
        }
        if let types = try file.keys.strings("layer_types") {
            guard types.count == layerCount else {
                throw LoadError.contradiction(
                    path: file.path, keys: ["layer_types", "num_hidden_layers"],
                    reason: "\(types.count) types for \(layerCount) layers")
            }
            return types.map { $0 == "sliding_attention" ? window : nil }
        }
        let first = isQwen ? try file.keys.optionalInteger("max_window_layers", in: 0...SizeLimit.layers) ?? 28 : 0
        return (0..<layerCount).map { $0 >= first ? window : nil }
    }
}
