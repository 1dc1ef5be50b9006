import ModelIO
import TensorCore

/// What a tower of images or texts has where its configuration leaves it out.
struct TowerDefaults: Sendable {
    var width = 768
    var headCount = 12
    var patch = 16
    var activation = "gelu_pytorch_tanh"
    var epsilon = 1e-6
    var isText = false

    static let clip = TowerDefaults(patch: 32, activation: "quick_gelu", epsilon: 1e-5)
    static let clipText = TowerDefaults(
        width: 512, headCount: 8, activation: "quick_gelu", epsilon: 1e-5, isText: true)
    static let sigLIP = TowerDefaults()
    static let sigLIPText = TowerDefaults(isText: true)
}

extension ViTSizes {
    /// - Parameter keys: of the tower, in a configuration of two.
    init(_ file: ModelConfiguration, tower keys: ConfigurationReader, usual: TowerDefaults) throws {
        let width = try keys.optionalSize("hidden_size") ?? usual.width
        let patch = try keys.imageSize("patch_size") ?? Extent2D(usual.patch)
        let name = try keys.optionalString("hidden_act") ?? usual.activation
        let activations: [String: Activation] = [
            "quick_gelu": .quickGelu, "gelu": .geluErf, "gelu_new": .geluTanh, "gelu_pytorch_tanh": .geluTanh,
        ]
        guard let activation = activations[name] else {
            throw LoadError.unsupportedValue(
                path: file.path, key: keys.prefix + "hidden_act", value: name, supported: activations.keys.sorted())
        }
        try self.init(
            file, width: width,
            layerCount: keys.optionalSize("num_hidden_layers", maximum: SizeLimit.layers) ?? 12,
            headCount: keys.optionalSize("num_attention_heads", maximum: SizeLimit.heads) ?? usual.headCount,
            intermediateSize: keys.optionalSize("intermediate_size") ?? 4 * width,
            image: usual.isText ? patch : keys.imageSize("image_size") ?? Extent2D(224), patch: patch,
            epsilon: keys.optionalNumber("layer_norm_eps", in: NumberRange.positive) ?? usual.epsilon,
            activation: activation)
        (hasQueryBiases, hasBiases) = (true, true)
    }
}
