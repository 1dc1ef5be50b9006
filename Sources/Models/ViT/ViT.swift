import ModelIO
import TensorCore

extension VisionArchitecture {
    /// The vision transformer and DeiT as `transformers` has them. (Dosovitskiy et al., 2021; Touvron et al., 2021)
    static func viT(_ file: ModelConfiguration) throws -> VisionArchitecture {
        let keys = file.keys
        let isDeiT = file.modelType == "deit"
        var sizes = try ViTSizes(
            file, width: keys.optionalSize("hidden_size") ?? 768,
            layerCount: keys.optionalSize("num_hidden_layers", maximum: SizeLimit.layers) ?? 12,
            headCount: keys.optionalSize("num_attention_heads", maximum: SizeLimit.heads) ?? 12,
            intermediateSize: keys.optionalSize("intermediate_size") ?? 3072,
            image: file.imageSize("image_size", default: 224), patch: file.imageSize("patch_size", default: 16),
            epsilon: keys.optionalNumber("layer_norm_eps", in: NumberRange.positive) ?? 1e-12,
            activation: file.activation("hidden_act", default: "gelu"))
        (sizes.hasQueryBiases, sizes.hasBiases) = (try keys.flag("qkv_bias", default: true), true)
        let hasTeacher = isDeiT && file.isArchitecture("ForImageClassificationWithTeacher", default: false)
        let isClassifier = hasTeacher || file.isArchitecture("ForImageClassification", default: true)
        let labels = isClassifier ? try file.imageLabels(default: 2) : []
        let description = VisionDescription(
            architecture: file.modelType, task: isClassifier ? .classification : .features,
            channelCount: try keys.optionalSize("num_channels") ?? 3, inputSize: sizes.image, isSizeFixed: true,
            labels: labels)
        return VisionArchitecture(description: description, prefixes: ["vit.", "deit.", ""]) { [sizes] net, x in
            let names = ViTNames.huggingFace(isDistilled: isDeiT)
            let h = try sizes.encode(net, x, names: names)
            let states = try net.layerNorm(h, "layernorm", epsilon: sizes.epsilon)
            let first = states.firstRows
            guard isClassifier else {
                var outputs: [NetworkOutput] = [.tokens("last_hidden_state", states)]
                if net.contains("pooler.dense.weight") {
                    let pooled = try net.linear(first, "pooler.dense", outputs: sizes.width, activation: .tanh)
                    outputs.append(.vector("pooler_output", pooled))
                }
                return outputs
            }
            guard hasTeacher else {
                return [
                    .vector("logits", try net.linear(first, "classifier", outputs: labels.count, hasBias: true))
                ]
            }
            // The mean of the classifier of the first token and that of the second one.
            return [.vector("logits", try sizes.teacherLogits(net, states, count: labels.count))]
        }
    }

    /// The vision transformer by the names of timm.
    static func timmViT(_ file: ModelConfiguration, _ size: TimmViTSize) throws -> VisionArchitecture {
        let pretrained = try file.keys.object("pretrained_cfg")?.integers("input_size", in: 1...SizeLimit.width)
        let image = pretrained.flatMap { $0.count == 3 ? Extent2D(height: $0[1], width: $0[2]) : nil }
        let changes = try file.keys.object("model_args")
        let width = try changes?.optionalSize("embed_dim") ?? size.width
        let share = try changes?.optionalNumber("mlp_ratio", in: 0.01...1024) ?? size.expansion
        var sizes = try ViTSizes(
            file, width: width,
            layerCount: changes?.optionalSize("depth", maximum: SizeLimit.layers) ?? size.layerCount,
            headCount: changes?.optionalSize("num_heads", maximum: SizeLimit.heads) ?? size.headCount,
            intermediateSize: Int(Double(width) * share) / (size.isGated ? 2 : 1),
            image: changes?.imageSize("img_size") ?? image ?? Extent2D(size.image),
            patch: changes?.imageSize("patch_size") ?? Extent2D(size.patch), epsilon: 1e-6,
            activation: size.isGated ? .silu : .geluErf)
        sizes.isGated = size.isGated
        let pool = try changes?.optionalString("global_pool") ?? file.keys.optionalString("global_pool") ?? "token"
        guard ["token", "avg"].contains(pool) else {
            throw LoadError.unsupportedValue(
                path: file.path, key: "global_pool", value: pool, supported: ["avg", "token"])
        }
        var description = try file.torchDescription()
        (description.inputSize, description.isSizeFixed) = (sizes.image, true)
        return VisionArchitecture(description: description) { [description, sizes] net, x in
            let names = ViTNames.timm(net)
            try sizes.refuseOthers(net)
            let h = try sizes.encode(net, x, names: names)
            // Where the norm stands behind the pooling, its name says so.
            let isNormLast = net.contains("fc_norm.weight")
            let states = isNormLast ? h : try net.layerNorm(h, "norm", epsilon: sizes.epsilon)
            if net.contains("head_dist.weight") {
                let heads = ["head", "head_dist"]
                let count = description.labels.count
                return [.vector("logits", try sizes.teacherLogits(net, states, count: count, heads: heads))]
            }
            let learned = names.learnedTokens.reduce(0) { $0 + net.learnedCount($1, width: width) }
            var pooled =
                pool == "avg" ? try net.adaptiveAveragePool(net.droppingRows(states, learned)) : states.firstRows
            if isNormLast { pooled = try net.layerNorm(pooled, "fc_norm", epsilon: sizes.epsilon) }
            return [try net.head(pooled, "head", of: description)]
        }
    }
}

/// What timm's names of vision transformers say.
struct TimmViTSize: Sendable {
    var width: Int
    var layerCount: Int
    var headCount: Int
    var patch: Int
    var image: Int
    /// Rows of the layer behind the attention for each feature.
    var expansion = 4.0
    var isGated = false

    static let named: [String: TimmViTSize] = {
        var sizes: [String: TimmViTSize] = [:]
        for (name, width, layers, heads) in [
            ("tiny", 192, 12, 3), ("small", 384, 12, 6), ("base", 768, 12, 12), ("large", 1024, 24, 16),
        ] {
            for patch in [8, 14, 16, 32] {
                for image in [224, 384] {
                    sizes["vit_\(name)_patch\(patch)_\(image)"] = TimmViTSize(
                        width: width, layerCount: layers, headCount: heads, patch: patch, image: image)
                }
            }
        }
        let giant = TimmViTSize(
            width: 1536, layerCount: 40, headCount: 24, patch: 14, image: 518, expansion: 2.66667 * 2, isGated: true)
        for (name, size) in [("small", "small"), ("base", "base"), ("large", "large"), ("giant", "")] {
            var made = sizes["vit_\(size)_patch14_224"] ?? giant
            made.image = 518
            sizes["vit_\(name)_patch14_dinov2"] = made
            sizes["vit_\(name)_patch14_reg4_dinov2"] = made
        }
        for (name, size) in [("tiny", "tiny"), ("small", "small"), ("base", "base")] {
            sizes["deit_\(name)_patch16_224"] = sizes["vit_\(size)_patch16_224"]
            sizes["deit_\(name)_distilled_patch16_224"] = sizes["vit_\(size)_patch16_224"]
        }
        sizes["deit_base_patch16_384"] = sizes["vit_base_patch16_384"]
        sizes["deit_base_distilled_patch16_384"] = sizes["vit_base_patch16_384"]
        return sizes
    }()
}

extension ViTSizes {
    /// Parts of layers that some of timm's transformers have beside those that are built here, such as norms of queries.
    /// - Throws: `LoadError.unsupportedFile`.
    fileprivate func refuseOthers(_ net: NetworkBuilder) throws {
        for name in ["attn.q_norm.weight", "attn.norm.weight", "mlp.norm.weight", "mlp.fc1_g.weight"] {
            let tensor = "blocks.0." + name
            guard net.contains(tensor) else { continue }
            throw LoadError.unsupportedFile(
                path: net.path, reason: "has a tensor '\(tensor)', which no vision transformer of timm's here has")
        }
    }
}
