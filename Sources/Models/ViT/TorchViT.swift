import ModelIO
import TensorCore

/// What torchvision's names of vision transformers say; sizes of layers are those of the tensors.
struct TorchViTSize: Sendable {
    var layerCount: Int
    var headCount: Int
    var patch: Int

    static let named: [String: TorchViTSize] = [
        "vit_b_16": TorchViTSize(layerCount: 12, headCount: 12, patch: 16),
        "vit_b_32": TorchViTSize(layerCount: 12, headCount: 12, patch: 32),
        "vit_l_16": TorchViTSize(layerCount: 24, headCount: 16, patch: 16),
        "vit_l_32": TorchViTSize(layerCount: 24, headCount: 16, patch: 32),
        "vit_h_14": TorchViTSize(layerCount: 32, headCount: 16, patch: 14),
    ]
}

extension VisionArchitecture {
    /// The vision transformer by the names of torchvision. (Dosovitskiy et al., 2021)
    ///
    /// Images are of 224 pixels where `image_size` does not say otherwise; `model_args` may be those of torchvision's class.
    static func torchViT(_ file: ModelConfiguration, _ size: TorchViTSize) throws -> VisionArchitecture {
        let changes = try file.keys.object("model_args")
        let pretrained = try file.keys.object("pretrained_cfg")?.integers("input_size", in: 1...SizeLimit.width)
        let image =
            try changes?.imageSize("image_size") ?? file.keys.imageSize("image_size")
            ?? pretrained.flatMap { $0.count == 3 ? Extent2D(height: $0[1], width: $0[2]) : nil } ?? Extent2D(224)
        let patch = try changes?.imageSize("patch_size") ?? Extent2D(size.patch)
        let layers = try changes?.optionalSize("num_layers", maximum: SizeLimit.layers) ?? size.layerCount
        let heads = try changes?.optionalSize("num_heads", maximum: SizeLimit.heads) ?? size.headCount
        var description = try file.torchDescription()
        (description.inputSize, description.isSizeFixed) = (image, true)
        return VisionArchitecture(
            description: description,
            endings: ["in_proj.weight": "in_proj_weight", "in_proj.bias": "in_proj_bias"]
        ) { [description] net, x in
            let names = ViTNames.torchvision(net)
            var sizes = try ViTSizes(
                file, width: net.outputs(of: names.patches), layerCount: layers, headCount: heads,
                intermediateSize: net.outputs(of: names.layerPrefix + "0." + names.up), image: image, patch: patch,
                epsilon: 1e-6, activation: .geluErf)
            (sizes.hasQueryBiases, sizes.hasBiases) = (true, true)
            let h = try sizes.encode(net, x, names: names)
            let pooled = try net.layerNorm(h.firstRows, "encoder.ln", epsilon: sizes.epsilon)
            let head = net.contains("heads.0.weight") ? "heads.0" : "heads.head"
            return [try net.head(pooled, head, of: description)]
        }
    }
}
