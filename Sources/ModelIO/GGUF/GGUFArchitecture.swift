internal import TensorCore

/// The architectures of GGUF files that `Models` can run, with the differences from their Hugging Face form.
struct GGUFArchitecture: Sendable {
    /// The family, which decides what metadata there is and which key of a `config.json` each has.
    enum Family: Sendable { case llama, gemma, gpt2, gptNeoX, decoder, bert, t5 }

    /// The `model_type` of the Hugging Face form.
    let modelType: String
    let family: Family
    let names: GGUFTensorNames
    /// Whether the rows of query and key are ordered for rotating consecutive elements.
    var hasInterleavedRope = false
    /// Whether there are files of it whose feed-forward parts are mixtures of experts.
    var takesExperts = false

    /// Granite's multipliers: the keys of the configuration and those of the files.
    static let graniteScales = [
        ("embedding_multiplier", "embedding_scale"), ("residual_multiplier", "residual_scale"),
        ("attention_multiplier", "attention.scale"), ("logits_scaling", "logit_scale"),
    ]

    /// By `general.architecture`; those of Mistral are `llama`, those of Mixtral `llama` with experts.
    static let known: [String: GGUFArchitecture] = [
        "llama": GGUFArchitecture(
            modelType: "llama", family: .llama, names: .llama, hasInterleavedRope: true, takesExperts: true),
        "qwen2": GGUFArchitecture(modelType: "qwen2", family: .llama, names: .llama),
        "qwen3": GGUFArchitecture(modelType: "qwen3", family: .llama, names: .llama),
        "qwen2moe": GGUFArchitecture(modelType: "qwen2_moe", family: .llama, names: .llama, takesExperts: true),
        "qwen3moe": GGUFArchitecture(modelType: "qwen3_moe", family: .llama, names: .llama, takesExperts: true),
        "olmoe": GGUFArchitecture(modelType: "olmoe", family: .llama, names: .llama, takesExperts: true),
        "phi3": GGUFArchitecture(modelType: "phi3", family: .llama, names: .phi3),
        "gemma2": GGUFArchitecture(modelType: "gemma2", family: .gemma, names: .gemma),
        "gemma3": GGUFArchitecture(modelType: "gemma3_text", family: .gemma, names: .gemma),
        "gptneox": GGUFArchitecture(modelType: "gpt_neox", family: .gptNeoX, names: .gptNeoX),
        "gpt2": GGUFArchitecture(modelType: "gpt2", family: .gpt2, names: .gpt2),
        "starcoder": GGUFArchitecture(modelType: "gpt_bigcode", family: .gpt2, names: .gpt2),
        "gemma": GGUFArchitecture(modelType: "gemma", family: .decoder, names: .llama),
        "smollm3": GGUFArchitecture(modelType: "smollm3", family: .decoder, names: .llama, hasInterleavedRope: true),
        "granite": GGUFArchitecture(modelType: "granite", family: .decoder, names: .llama, hasInterleavedRope: true),
        "granitemoe": GGUFArchitecture(
            modelType: "granitemoe", family: .decoder, names: .llama, hasInterleavedRope: true, takesExperts: true),
        "internlm2": GGUFArchitecture(
            modelType: "internlm2", family: .decoder, names: .internLM2, hasInterleavedRope: true),
        "olmo2": GGUFArchitecture(modelType: "olmo2", family: .decoder, names: .normsBehind),
        "exaone4": GGUFArchitecture(modelType: "exaone4", family: .decoder, names: .normsBehind),
        "command-r": GGUFArchitecture(modelType: "cohere", family: .decoder, names: .llama),
        "cohere2": GGUFArchitecture(modelType: "cohere2", family: .decoder, names: .llama),
        "glm4": GGUFArchitecture(modelType: "glm4", family: .decoder, names: .glm4),
        "starcoder2": GGUFArchitecture(modelType: "starcoder2", family: .decoder, names: .starCoder2),
        "falcon": GGUFArchitecture(modelType: "falcon", family: .decoder, names: .falcon),
        "phi2": GGUFArchitecture(modelType: "phi", family: .decoder, names: .phi2),
        "stablelm": GGUFArchitecture(modelType: "stablelm", family: .decoder, names: .stableLM),
        "bert": GGUFArchitecture(modelType: "bert", family: .bert, names: .bert),
        "t5": GGUFArchitecture(modelType: "t5", family: .t5, names: .t5),
    ]
}

extension GGUFModel {
    /// The configuration that the metadata describes, under Hugging Face's keys.
    ///
    /// For an unknown architecture it has the sizes that all have, for `inspect`. Its `model_type` then says that it is
    /// one of GGUF, so that it is not taken for the Hugging Face form, whose tensors differ.
    /// - Throws: `LoadError` naming the key of the metadata.
    public func configuration() throws -> ModelConfiguration {
        var table = ConfigurationTable()
        let hasExperts = try expertCount() != nil
        switch GGUFArchitecture.known[architecture] {
        case let known? where !hasExperts || known.takesExperts:
            let isMixtral = architecture == "llama" && hasExperts
            table.set("model_type", isMixtral ? "mixtral" : known.modelType)
            switch known.family {
            case .llama: try writeLlama(to: &table)
            case .gemma: try writeGemma(to: &table)
            case .gpt2: try writeGPT2(to: &table)
            case .decoder: try writeOther(to: &table)
            case .gptNeoX: try writeGPTNeoX(to: &table)
            case .bert: try writeBert(to: &table)
            case .t5: try writeT5(to: &table)
            }
        default:
            table.set("model_type", "\(architecture)\(hasExperts ? " mixture of experts" : "") (GGUF)")
            try writeSizes(to: &table)
        }
        return try ModelConfiguration(table, path: path, layout: layout())
    }

    private func layout() throws -> TensorLayout {
        var layout = TensorLayout.gguf
        if GGUFArchitecture.known[architecture]?.hasInterleavedRope == true { layout.ropeLayout = .interleaved }
        layout.ropeFactors = try tensor("rope_freqs.weight").map(factors)
        return layout
    }

    func key(_ name: String) -> String { "\(architecture).\(name)" }

    /// The experts of a mixture; `nil` where the model is not a mixture.
    func expertCount() throws -> Int? {
        let count = try metadata.optionalInteger(key("expert_count"), in: 0...SizeLimit.heads) ?? 0
        return count > 0 ? count : nil
    }

    /// The rows of the embedding: as stated, else the number of tokens, else the rows of the tensor.
    private func vocabularySize() throws -> Int? {
        if let stated = try metadata.optionalSize(key("vocab_size"), maximum: SizeLimit.vocabulary) { return stated }
        if let tokens = try metadata.optionalStrings("tokenizer.ggml.tokens"), tokens.count > 0 { return tokens.count }
        return tensor("token_embd.weight")?.shape.extents.first
    }

    // MARK: What families share

    /// The sizes of a decoder and of its heads.
    /// - Returns: elements of a head.
    @discardableResult
    func writeDecoder(to table: inout ConfigurationTable) throws -> Int {
        let width = try metadata.size(key("embedding_length"))
        let headCount = try metadata.size(key("attention.head_count"), maximum: SizeLimit.heads)
        let headSize = try headSize(width: width, headCount: headCount)
        let keyValueHeadCount = try metadata.optionalSize(key("attention.head_count_kv"), maximum: SizeLimit.heads)
        table.set("hidden_size", width)
        table.set("num_hidden_layers", try metadata.size(key("block_count"), maximum: SizeLimit.layers))
        table.set("num_attention_heads", headCount)
        table.set("num_key_value_heads", keyValueHeadCount ?? headCount)
        table.set("head_dim", headSize)
        try writeVocabularySize(to: &table)
        table.set(
            "max_position_embeddings", try metadata.size(key("context_length"), maximum: SizeLimit.positions))
        table.set("tie_word_embeddings", tensor("output.weight") == nil)
        return headSize
    }

    func headSize(width: Int, headCount: Int) throws -> Int {
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

    func writeVocabularySize(to table: inout ConfigurationTable) throws {
        guard let size = try vocabularySize() else { throw metadata.missing(key("vocab_size")) }
        table.set("vocab_size", size)
    }

    // MARK: Others

    private func writeSizes(to table: inout ConfigurationTable) throws {
        let sizes = [
            ("hidden_size", "embedding_length", SizeLimit.width),
            ("num_hidden_layers", "block_count", SizeLimit.layers),
            ("max_position_embeddings", "context_length", SizeLimit.positions),
        ]
        for (ours, theirs, maximum) in sizes {
            guard let size = try metadata.optionalSize(key(theirs), maximum: maximum) else { continue }
            table.set(ours, size)
        }
        if let size = try vocabularySize() { table.set("vocab_size", size) }
    }
}
