internal import JSONCore
internal import TensorCore

/// The architectures of GGUF files that `Models` can run, with what differs from their Hugging Face form.
struct GGUFArchitecture: Sendable {
    /// Which metadata there is, and under which keys a `config.json` has it.
    enum Family: Sendable { case llama, gemma, gpt2, gptNeoX, bert, t5 }

    /// The `model_type` of the Hugging Face form.
    let modelType: String
    let family: Family
    let names: GGUFTensorNames
    /// Whether the rows of query and key are ordered for rotating consecutive elements.
    var hasInterleavedRope = false

    /// By `general.architecture`; those of Mistral are `llama`, those of Mixtral `llama` with experts.
    static let known: [String: GGUFArchitecture] = [
        "llama": GGUFArchitecture(modelType: "llama", family: .llama, names: .llama, hasInterleavedRope: true),
        "qwen2": GGUFArchitecture(modelType: "qwen2", family: .llama, names: .llama),
        "qwen3": GGUFArchitecture(modelType: "qwen3", family: .llama, names: .llama),
        "qwen3moe": GGUFArchitecture(modelType: "qwen3_moe", family: .llama, names: .llama),
        "phi3": GGUFArchitecture(modelType: "phi3", family: .llama, names: .phi3),
        "gemma2": GGUFArchitecture(modelType: "gemma2", family: .gemma, names: .gemma),
        "gemma3": GGUFArchitecture(modelType: "gemma3_text", family: .gemma, names: .gemma),
        "gptneox": GGUFArchitecture(modelType: "gpt_neox", family: .gptNeoX, names: .gptNeoX),
        "gpt2": GGUFArchitecture(modelType: "gpt2", family: .gpt2, names: .gpt2),
        "bert": GGUFArchitecture(modelType: "bert", family: .bert, names: .bert),
        "t5": GGUFArchitecture(modelType: "t5", family: .t5, names: .t5),
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
        let hasExperts = try expertCount() != nil
        switch GGUFArchitecture.known[architecture] {
        case let known? where !hasExperts || ["llama", "qwen3moe"].contains(architecture):
            let isMixtral = architecture == "llama" && hasExperts
            writer.member("model_type", isMixtral ? "mixtral" : known.modelType)
            switch known.family {
            case .llama: try writeLlama(known, to: &writer)
            case .gemma: try writeGemma(to: &writer)
            case .gpt2: try writeGPT2(to: &writer)
            case .gptNeoX: try writeGPTNeoX(to: &writer)
            case .bert: try writeBert(to: &writer)
            case .t5: try writeT5(to: &writer)
            }
        default:
            writer.member("model_type", "\(architecture)\(hasExperts ? " mixture of experts" : "") (GGUF)")
            try writeSizes(to: &writer)
        }
        writer.endObject()
        return try ModelConfiguration(parsing: Array(writer.text.utf8), path: path, assumesDefaults: false)
    }

    func key(_ name: String) -> String { "\(architecture).\(name)" }

    /// Experts of a mixture, or `nil` where the model is none.
    func expertCount() throws -> Int? {
        let count = try metadata.optionalInteger(key("expert_count"), in: 0...SizeLimit.heads) ?? 0
        return count > 0 ? count : nil
    }

    /// Rows of the embedding: as stated, else one a token, else what the embedding has.
    private func vocabularySize() throws -> Int? {
        if let stated = try metadata.optionalSize(key("vocab_size"), maximum: SizeLimit.vocabulary) { return stated }
        if let tokens = try metadata.optionalStrings("tokenizer.ggml.tokens"), tokens.count > 0 { return tokens.count }
        return tensor("token_embd.weight")?.shape.extents.first
    }

    // MARK: What families share

    /// The sizes of a decoder and its heads.
    /// - Returns: elements of a head.
    @discardableResult
    func writeDecoder(to writer: inout JSONWriter) throws -> Int {
        let width = try metadata.size(key("embedding_length"))
        let headCount = try metadata.size(key("attention.head_count"), maximum: SizeLimit.heads)
        let headSize = try headSize(width: width, headCount: headCount)
        let keyValueHeadCount = try metadata.optionalSize(key("attention.head_count_kv"), maximum: SizeLimit.heads)
        writer.member("hidden_size", width)
        writer.member("num_hidden_layers", try metadata.size(key("block_count"), maximum: SizeLimit.layers))
        writer.member("num_attention_heads", headCount)
        writer.member("num_key_value_heads", keyValueHeadCount ?? headCount)
        writer.member("head_dim", headSize)
        try writeVocabularySize(to: &writer)
        writer.member(
            "max_position_embeddings", try metadata.size(key("context_length"), maximum: SizeLimit.positions))
        writer.member("tie_word_embeddings", tensor("output.weight") == nil)
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

    func writeVocabularySize(to writer: inout JSONWriter) throws {
        guard let size = try vocabularySize() else { throw metadata.missing(key("vocab_size")) }
        writer.member("vocab_size", size)
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
