internal import JSONCore
internal import TensorCore

/// The architectures of GGUF files that `Models` can run, with what differs from their Hugging Face form.
struct GGUFArchitecture: Sendable {
    let names: GGUFTensorNames
    /// Whether the rows of query and key are ordered for rotating consecutive elements.
    let hasInterleavedRope: Bool
    let isGPT2: Bool

    /// By `general.architecture`; those of Mistral are `llama`.
    static let known: [String: GGUFArchitecture] = [
        "llama": GGUFArchitecture(names: .llama, hasInterleavedRope: true, isGPT2: false),
        "qwen2": GGUFArchitecture(names: .llama, hasInterleavedRope: false, isGPT2: false),
        "qwen3": GGUFArchitecture(names: .llama, hasInterleavedRope: false, isGPT2: false),
        "gpt2": GGUFArchitecture(names: .gpt2, hasInterleavedRope: false, isGPT2: true),
    ]
}

extension GGUFModel {
    /// The metadata in the form of a `config.json`, under Hugging Face's keys.
    ///
    /// Of an architecture that is not known here, the sizes that all have are given, for `inspect`; its `model_type` says
    /// that it is one of GGUF, so that it is not taken for the Hugging Face form, whose tensors differ.
    /// - Throws: `LoadError` naming the key of the metadata.
    public func configuration() throws -> ModelConfiguration {
        var writer = JSONWriter()
        writer.beginObject()
        if let known = GGUFArchitecture.known[architecture], try !isMixture() {
            writer.member("model_type", architecture)
            try known.isGPT2 ? writeGPT2(to: &writer) : writeLlama(known, to: &writer)
        } else {
            writer.member("model_type", "\(architecture)\(try isMixture() ? " mixture of experts" : "") (GGUF)")
            try writeSizes(to: &writer)
        }
        writer.endObject()
        return try ModelConfiguration(parsing: Array(writer.text.utf8), path: path)
    }

    private func key(_ name: String) -> String { "\(architecture).\(name)" }

    private func isMixture() throws -> Bool {
        try metadata.optionalInteger(key("expert_count"), in: 0...SizeLimit.heads) ?? 0 > 0
    }

    /// Rows of the embedding: as stated, else one a token, else what the embedding has.
    private func vocabularySize() throws -> Int? {
        if let stated = try metadata.optionalSize(key("vocab_size"), maximum: SizeLimit.vocabulary) { return stated }
        if let tokens = try metadata.optionalStrings("tokenizer.ggml.tokens"), tokens.count > 0 { return tokens.count }
        return tensor("token_embd.weight")?.shape.extents.first
    }

    // MARK: Llama and models of its shape

    private func writeLlama(_ known: GGUFArchitecture, to writer: inout JSONWriter) throws {
        let width = try metadata.size(key("embedding_length"))
        let headCount = try metadata.size(key("attention.head_count"), maximum: SizeLimit.heads)
        let headSize = try headSize(width: width, headCount: headCount)
        let keyValueHeadCount = try metadata.optionalSize(key("attention.head_count_kv"), maximum: SizeLimit.heads)
        let epsilon = key("attention.layer_norm_rms_epsilon")
        writer.member("hidden_size", width)
        writer.member("num_hidden_layers", try metadata.size(key("block_count"), maximum: SizeLimit.layers))
        writer.member("num_attention_heads", headCount)
        writer.member("num_key_value_heads", keyValueHeadCount ?? headCount)
        writer.member("head_dim", headSize)
        writer.member("intermediate_size", try metadata.size(key("feed_forward_length")))
        try writeVocabularySize(to: &writer)
        writer.member(
            "max_position_embeddings", try metadata.size(key("context_length"), maximum: SizeLimit.positions))
        try writer.member("rms_norm_eps", try metadata.number(epsilon, in: NumberRange.positive))
        writer.member("hidden_act", "silu")
        writer.member("tie_word_embeddings", tensor("output.weight") == nil)
        if architecture == "llama" { writer.member("attention_bias", tensor("blk.0.attn_q.bias") != nil) }
        writer.member("rope_layout", known.hasInterleavedRope ? "interleaved" : "halfSplit")
        try writeRope(headSize: headSize, to: &writer)
    }

    private func headSize(width: Int, headCount: Int) throws -> Int {
        let stated = try metadata.optionalSize(key("attention.key_length"))
        if let valueSize = try metadata.optionalSize(key("attention.value_length")) {
            guard valueSize == stated ?? width / headCount else {
                throw LoadError.unsupportedValue(
                    path: path, key: key("attention.value_length"), value: "\(valueSize)",
                    supported: ["the length of keys"])
            }
        }
        if let stated { return stated }
        guard width % headCount == 0 else {
            throw LoadError.contradiction(
                path: path, keys: [key("embedding_length"), key("attention.head_count")],
                reason: "\(width) features do not divide into \(headCount) heads")
        }
        return width / headCount
    }

    private func writeVocabularySize(to writer: inout JSONWriter) throws {
        guard let size = try vocabularySize() else { throw metadata.missing(key("vocab_size")) }
        writer.member("vocab_size", size)
    }

    private func writeRope(headSize: Int, to writer: inout JSONWriter) throws {
        try writer.member("rope_theta", try metadata.optionalNumber(key("rope.freq_base"), in: 1.01...1e15) ?? 10_000)
        let rotarySize = try metadata.optionalSize(key("rope.dimension_count")) ?? headSize
        if rotarySize != headSize { writer.member("rotary_dim", rotarySize) }
        writer.key("rope_scaling")
        writer.beginObject()
        if let factors = tensor("rope_freqs.weight") {
            try writeFactors(factors, count: rotarySize / 2, to: &writer)
        } else {
            try writeScaling(to: &writer)
        }
        writer.endObject()
    }

    /// What each pair's frequency is divided by, which is how GGUF files hold Llama 3.1's scaling.
    private func writeFactors(_ tensor: StoredTensor, count: Int, to writer: inout JSONWriter) throws {
        guard tensor.shape.extents == [count] else {
            throw LoadError.shapeMismatch(name: tensor.name, expected: [count], found: tensor.shape.extents)
        }
        let factors = try WeightLoader(checkpoint()).floats(tensor)
        writer.member("rope_type", "factors")
        writer.key("factors")
        writer.beginArray()
        for factor in factors {
            guard factor.isFinite, factor > 0 else {
                throw LoadError.invalidTensor(
                    path: tensor.path, tensor: tensor.name, reason: "holds \(factor), expected positive numbers")
            }
            try writer.value(Double(factor))
        }
        writer.endArray()
    }

    private func writeScaling(to writer: inout JSONWriter) throws {
        let factors = 0.01...1e6
        let typeKey = key("rope.scaling.type")
        let legacy = try metadata.optionalNumber(key("rope.scale_linear"), in: factors)
        let type = try metadata.optionalString(typeKey) ?? (legacy == nil ? "none" : "linear")
        let factor = try metadata.optionalNumber(key("rope.scaling.factor"), in: 0...1e6) ?? legacy ?? 1
        switch type {
        case "none": writer.member("rope_type", "default")
        case "linear":
            writer.member("rope_type", "linear")
            // Zero stands for "not scaled".
            try writer.member("factor", factor == 0 ? 1 : factor)
        case "yarn":
            writer.member("rope_type", "yarn")
            try writer.member("factor", try metadata.number(key("rope.scaling.factor"), in: factors))
            let context = key("rope.scaling.original_context_length")
            if let context = try metadata.optionalSize(context, maximum: SizeLimit.positions) {
                writer.member("original_max_position_embeddings", context)
            }
            for (ours, theirs) in [("yarn_beta_fast", "beta_fast"), ("yarn_beta_slow", "beta_slow")] {
                guard let beta = try metadata.optionalNumber(key("rope.scaling.\(ours)"), in: factors) else { continue }
                try writer.member(theirs, beta)
            }
        default:
            throw LoadError.unsupportedValue(
                path: path, key: typeKey, value: printable(type), supported: ["none", "linear", "yarn"])
        }
    }

    // MARK: GPT-2

    private func writeGPT2(to writer: inout JSONWriter) throws {
        let epsilon = key("attention.layer_norm_epsilon")
        writer.member("n_embd", try metadata.size(key("embedding_length")))
        writer.member("n_layer", try metadata.size(key("block_count"), maximum: SizeLimit.layers))
        writer.member("n_head", try metadata.size(key("attention.head_count"), maximum: SizeLimit.heads))
        if let width = try metadata.optionalSize(key("feed_forward_length")) { writer.member("n_inner", width) }
        try writeVocabularySize(to: &writer)
        writer.member("n_positions", try metadata.size(key("context_length"), maximum: SizeLimit.positions))
        try writer.member("layer_norm_epsilon", try metadata.number(epsilon, in: NumberRange.positive))
        writer.member("activation_function", "gelu_new")
        writer.member("tie_word_embeddings", tensor("output.weight") == nil)
        writer.member("conv1d_transposed", false)
    }

    // MARK: Others

    private func writeSizes(to writer: inout JSONWriter) throws {
        let sizes = [
            ("hidden_size", "embedding_length", SizeLimit.width),
            ("num_hidden_layers", "block_count", SizeLimit.layers),
            ("max_position_embeddings", "context_length", SizeLimit.positions),
        ]
        for (ours, theirs, maximum) in sizes {
            guard let size = try metadata.optionalSize(key(theirs), maximum: maximum) else { continue }
            writer.member(ours, size)
        }
        if let size = try vocabularySize() { writer.member("vocab_size", size) }
    }
}
