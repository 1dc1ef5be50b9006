import ModelIO
import TensorCore

extension VisionArchitecture {
    /// The vision transformer and DeiT as `transformers` has them. (Dosovitskiy et al., 2021; Touvron et al., 2021)
    static func viT(_ file: ModelConfiguration) throws -> VisionArchitecture {
        let keys = file.keys
        let isDeiT = file.modelType == "deit"
        let sizes = try ViTSizes(
            file, width: keys.optionalSize("hidden_size") ?? 768,
            layerCount: keys.optionalSize("num_hidden_layers", maximum: SizeLimit.layers) ?? 12,
            headCount: keys.optionalSize("num_attention_heads", maximum: SizeLimit.heads) ?? 12,
            intermediateSize: keys.optionalSize("intermediate_size") ?? 3072,
            image: file.imageSize("image_size", default: 224), patch: file.imageSize("patch_size", default: 16),
            epsilon: keys.optionalNumber("layer_norm_eps", in: NumberRange.positive) ?? 1e-12,
            activation: file.activation("hidden_act", default: "gelu"))
        let hasTeacher = isDeiT && file.isArchitecture("ForImageClassificationWithTeacher", default: false)
        let isClassifier = hasTeacher || file.isArchitecture("ForImageClassification", default: true)
        let labels = isClassifier ? try file.imageLabels(default: 2) : []
        let description = VisionDescription(
            architecture: file.modelType, task: isClassifier ? .classification : .features,
            channelCount: try keys.optionalSize("num_channels") ?? 3, inputSize: sizes.image, isSizeFixed: true,
            labels: labels)
        return VisionArchitecture(description: description, prefixes: ["vit.", "deit.", ""]) { net, x in
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
                return [.vector("logits", try net.linear(first, "classifier", outputs: labels.count))]
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
        let sizes = try ViTSizes(
            file, width: width,
            layerCount: changes?.optionalSize("depth", maximum: SizeLimit.layers) ?? size.layerCount,
            headCount: changes?.optionalSize("num_heads", maximum: SizeLimit.heads) ?? size.headCount,
            intermediateSize: 4 * width,
            image: changes?.optionalSize("img_size").map { Extent2D($0) } ?? image ?? Extent2D(size.image),
            patch: Extent2D(changes?.optionalSize("patch_size") ?? size.patch), epsilon: 1e-6, activation: .geluErf)
        let labels = try file.imageLabels(default: 1000)
        let description = VisionDescription(
            architecture: file.modelType, task: .classification, channelCount: try file.pretrainedChannels(),
            inputSize: sizes.image, isSizeFixed: true, labels: labels)
        return VisionArchitecture(description: description) { net, x in
            let h = try sizes.encode(net, x, names: .timm)
            let states = try net.layerNorm(h, "norm", epsilon: sizes.epsilon)
            return [.vector("logits", try net.linear(states.firstRows, "head", outputs: labels.count))]
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
        return sizes
    }()
}

/// What a vision transformer's tensors are called.
struct ViTNames: Sendable {
    var patches: String
    /// `nil`: there is none.
    var firstToken: String?
    var secondToken: String?
    var positions: String
    /// Before the layers; `nil`: none.
    var norm: String?
    var layerPrefix: String
    /// Query, key and value, in one matrix or three.
    var projections: [String]
    var attentionOutput: String
    var attentionNorm: String
    var up: String
    var down: String
    var feedForwardNorm: String

    static func huggingFace(isDistilled: Bool) -> ViTNames {
        ViTNames(
            patches: "embeddings.patch_embeddings.projection", firstToken: "embeddings.cls_token",
            secondToken: isDistilled ? "embeddings.distillation_token" : nil,
            positions: "embeddings.position_embeddings", layerPrefix: "encoder.layer.",
            projections: ["query", "key", "value"].map { "attention.attention.\($0)" },
            attentionOutput: "attention.output.dense", attentionNorm: "layernorm_before", up: "intermediate.dense",
            down: "output.dense", feedForwardNorm: "layernorm_after")
    }

    static let timm = ViTNames(
        patches: "patch_embed.proj", firstToken: "cls_token", positions: "pos_embed", layerPrefix: "blocks.",
        projections: ["attn.qkv"], attentionOutput: "attn.proj", attentionNorm: "norm1", up: "mlp.fc1",
        down: "mlp.fc2", feedForwardNorm: "norm2")

    /// CLIP's image tower.
    static let clip = ViTNames(
        patches: "embeddings.patch_embedding", firstToken: "embeddings.class_embedding",
        positions: "embeddings.position_embedding.weight", norm: "pre_layrnorm", layerPrefix: "encoder.layers.",
        projections: ["q_proj", "k_proj", "v_proj"].map { "self_attn.\($0)" }, attentionOutput: "self_attn.out_proj",
        attentionNorm: "layer_norm1", up: "mlp.fc1", down: "mlp.fc2", feedForwardNorm: "layer_norm2")
}
