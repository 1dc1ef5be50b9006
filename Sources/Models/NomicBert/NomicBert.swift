import ModelIO
import TensorCore

extension RotaryEncoderArchitecture {
    /// Nomic BERT (Nussbaum et al., 2024): BERT with rotary positions, SwiGLU and no biases in its layers.
    ///
    ///     h = norm(word[id] + segment[s])
    ///     each layer:  h = norm(h + out(attention(rope(qkv(h)))));  h = norm(h + down(silu(gate(h)) * up(h)))
    ///
    /// Both the configuration of the hub's checkpoints (`n_embd`, …) and that of transformers 5 are read.
    static func nomicBert(_ file: ModelConfiguration) throws -> RotaryEncoderArchitecture {
        try refuseNomicVariants(file)
        let keys = file.keys
        let description = try description(
            file,
            positionCount: try keys.optionalSize(
                "max_position_embeddings", "n_positions", maximum: SizeLimit.positions) ?? 2048,
            segmentCount: try keys.optionalInteger("type_vocab_size", in: 0...SizeLimit.heads) ?? 2, seesWindow: false)
        let rope = try file.rope(headSize: description.headSize, defaultBase: 1000)
        let name = try keys.optionalString("activation_function") ?? "swiglu"
        guard ["swiglu", "geglu", "glu"].contains(name) else {
            throw LoadError.unsupportedValue(
                path: file.path, key: "activation_function", value: name, supported: ["swiglu", "geglu", "glu"])
        }
        let gates: [String: Activation] = ["geglu": .geluErf, "glu": .sigmoid]
        let activation = try gates[name] ?? file.activation("hidden_act", default: "silu")
        return RotaryEncoderArchitecture(
            description: description, order: .normLast,
            layers: Array(repeating: Attention(rope: rope), count: description.layerCount),
            normEpsilon: Float(
                try keys.optionalNumber("layer_norm_eps", "layer_norm_epsilon", in: NumberRange.positive) ?? 1e-12),
            activation: activation,
            // Of the head that fills masks; the hub's own code takes GELU where gates are not SiLU's.
            headActivation: keys.value("hidden_act") != nil || name == "swiglu" ? activation : .geluErf,
            hasNormBias: true, hasAttentionBias: false, hasFeedForwardBias: false, hasHeadBias: true,
            names: [.nomicBertOfHub, .nomicBert])
    }

    private static func refuseNomicVariants(_ file: ModelConfiguration) throws {
        let flags = [
            "prenorm", "use_rms_norm", "rotary_emb_interleaved", "qkv_proj_bias", "mlp_fc1_bias", "mlp_fc2_bias",
            "parallel_block", "causal",
        ]
        for key in flags where try file.keys.flag(key, default: false) {
            throw LoadError.unsupportedValue(path: file.path, key: key, value: "true", supported: ["false"])
        }
        if let fraction = try file.keys.optionalNumber("rotary_emb_fraction"), fraction != 1 {
            throw LoadError.unsupportedValue(
                path: file.path, key: "rotary_emb_fraction", value: "\(fraction)", supported: ["1"])
        }
        if let count = try file.keys.optionalInteger("num_experts", in: 0...SizeLimit.heads), count > 0 {
            throw LoadError.unsupportedValue(
                path: file.path, key: "num_experts", value: "\(count)", supported: ["0: mixtures are decoders' only"])
        }
    }
}

extension RotaryEncoderNames {
    static let nomicBertOfHub = RotaryEncoderNames(
        prefixes: ["bert.", "nomic_bert.", "model."], words: "embeddings.word_embeddings",
        segments: "embeddings.token_type_embeddings", embeddingNorm: "emb_ln", layerPrefix: "encoder.layers.",
        projections: ["attn.Wqkv"], attentionOutput: "attn.out_proj", attentionNorm: "norm1",
        gates: ["mlp.fc12", "mlp.fc11"], down: "mlp.fc2", feedForwardNorm: "norm2",
        headDense: "cls.predictions.transform.dense", headNorm: "cls.predictions.transform.layer_norm",
        pooler: "pooler.dense", decoder: "cls.predictions.decoder",
        decoderBiases: ["cls.predictions.decoder.bias", "cls.predictions.bias"], spans: "qa_outputs")

    static let nomicBert: RotaryEncoderNames = {
        var names = nomicBertOfHub
        names.embeddingNorm = "embeddings.LayerNorm"
        names.layerPrefix = "layers."
        names.projections = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]
        names.attentionOutput = "self_attn.o_proj"
        names.attentionNorm = "post_attention_layernorm"
        names.gates = ["mlp.gate_proj", "mlp.up_proj"]
        names.down = "mlp.down_proj"
        names.feedForwardNorm = "post_mlp_layernorm"
        return names
    }()
}
