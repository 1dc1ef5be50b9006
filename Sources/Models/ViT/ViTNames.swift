/// What a vision transformer's tensors are called.
struct ViTNames: Sendable {
    var patches: String
    /// `nil`: there is none.
    var firstToken: String?
    var secondToken: String?
    /// Further learned tokens, of which the tensor may hold several. (Darcet et al., 2024)
    var registers: String?
    var positions: String
    /// Whether learned tokens have no positions where there are only as many as patches.
    var mayLeaveOutPositions = false
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
    /// What multiplies a part's outputs before they are added; `nil`: nothing does.
    var attentionScale: String?
    var feedForwardScale: String?

    static func huggingFace(isDistilled: Bool) -> ViTNames {
        ViTNames(
            patches: "embeddings.patch_embeddings.projection", firstToken: "embeddings.cls_token",
            secondToken: isDistilled ? "embeddings.distillation_token" : nil,
            positions: "embeddings.position_embeddings", layerPrefix: "encoder.layer.",
            projections: ["query", "key", "value"].map { "attention.attention.\($0)" },
            attentionOutput: "attention.output.dense", attentionNorm: "layernorm_before", up: "intermediate.dense",
            down: "output.dense", feedForwardNorm: "layernorm_after")
    }

    /// The learned tokens, in order.
    var learnedTokens: [String] { [firstToken, secondToken, registers].compactMap { $0 } }

    /// Those of timm, as far as a file has them.
    static func timm(_ net: NetworkBuilder) -> ViTNames {
        func known(_ name: String) -> String? { net.contains(name) ? name : nil }
        return ViTNames(
            patches: "patch_embed.proj", firstToken: known("cls_token"), secondToken: known("dist_token"),
            registers: known("reg_token"), positions: "pos_embed", mayLeaveOutPositions: true,
            norm: known("norm_pre.weight") == nil ? nil : "norm_pre", layerPrefix: "blocks.",
            projections: ["attn.qkv"], attentionOutput: "attn.proj", attentionNorm: "norm1", up: "mlp.fc1",
            down: "mlp.fc2", feedForwardNorm: "norm2",
            attentionScale: known("blocks.0.ls1.gamma") == nil ? nil : "ls1.gamma",
            feedForwardScale: known("blocks.0.ls2.gamma") == nil ? nil : "ls2.gamma")
    }

    /// Of `transformers`.
    static func dinov2(hasRegisters: Bool, isGated: Bool) -> ViTNames {
        var names = huggingFace(isDistilled: false)
        names.registers = hasRegisters ? "embeddings.register_tokens" : nil
        (names.attentionNorm, names.feedForwardNorm) = ("norm1", "norm2")
        (names.attentionScale, names.feedForwardScale) = ("layer_scale1.lambda1", "layer_scale2.lambda1")
        names.up = isGated ? "mlp.weights_in" : "mlp.fc1"
        names.down = isGated ? "mlp.weights_out" : "mlp.fc2"
        return names
    }

    /// Of torchvision, whose first checkpoints call some layers otherwise.
    static func torchvision(_ net: NetworkBuilder) -> ViTNames {
        let prefix = "encoder.layers.encoder_layer_"
        let isFirst = net.contains(prefix + "0.mlp.linear_1.weight")
        return ViTNames(
            patches: "conv_proj", firstToken: "class_token", positions: "encoder.pos_embedding", layerPrefix: prefix,
            projections: ["self_attention.in_proj"], attentionOutput: "self_attention.out_proj",
            attentionNorm: "ln_1", up: isFirst ? "mlp.linear_1" : "mlp.0", down: isFirst ? "mlp.linear_2" : "mlp.3",
            feedForwardNorm: "ln_2")
    }

    /// SigLIP's towers.
    static let sigLIP: ViTNames = {
        var names = clip
        (names.firstToken, names.norm) = (nil, nil)
        return names
    }()

    /// CLIP's image tower.
    static let clip = ViTNames(
        patches: "embeddings.patch_embedding", firstToken: "embeddings.class_embedding",
        positions: "embeddings.position_embedding.weight", norm: "pre_layrnorm", layerPrefix: "encoder.layers.",
        projections: ["q_proj", "k_proj", "v_proj"].map { "self_attn.\($0)" }, attentionOutput: "self_attn.out_proj",
        attentionNorm: "layer_norm1", up: "mlp.fc1", down: "mlp.fc2", feedForwardNorm: "layer_norm2")
}
