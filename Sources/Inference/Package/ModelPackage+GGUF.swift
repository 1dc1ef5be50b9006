public import ModelIO
public import Tokenization

extension ModelPackage {
    /// Opens a GGUF file, or the files of which it is one.
    /// - Throws: `LoadError`, `TokenizationError`.
    init(gguf path: String) throws {
        let model = try GGUFModel(path: path)
        self.init(
            name: path, configuration: try model.configuration(), checkpoint: model.checkpoint(),
            generation: try model.generationConfiguration(), tokenizer: try Tokenizer(gguf: model.metadata))
    }
}

extension Tokenizer {
    /// The tokenizer in the metadata of a GGUF file; `nil` where the file has none.
    /// - Throws: `LoadError` naming the key; `TokenizationError`.
    public init?(gguf metadata: GGUFMetadata) throws {
        guard let vocabulary = try GGUFVocabulary(metadata) else { return nil }
        try self.init(vocabulary, source: metadata.path)
    }
}

extension GGUFVocabulary {
    private static let templateKey = "tokenizer.chat_template"

    /// Reads the keys below `tokenizer.`; `nil` where they name no model.
    init?(_ metadata: GGUFMetadata) throws {
        let prefix = "tokenizer.ggml."
        guard let model = try metadata.optionalString(prefix + "model"), !["none", "no_vocab"].contains(model) else {
            return nil
        }
        self.init(model: model)
        preTokenizer = try metadata.optionalString(prefix + "pre")
        if let array = try metadata.optionalStrings(prefix + "tokens") {
            tokenCount = array.count
            tokens = { try array.forEachString($0) }
        }
        if let array = try metadata.optionalStrings(prefix + "merges") {
            mergeCount = array.count
            merges = { try array.forEachString($0) }
        }
        scores = try metadata.optionalNumbers(prefix + "scores") ?? []
        kinds = try metadata.optionalIntegers(prefix + "token_type") ?? []
        beginningID = try metadata.optionalToken(prefix + "bos_token_id")
        endID = try metadata.optionalToken(prefix + "eos_token_id")
        unknownID = try metadata.optionalToken(prefix + "unknown_token_id")
        paddingID = try metadata.optionalToken(prefix + "padding_token_id")
        // The first spelling is the format's own; later files have it right.
        separatorID =
            try metadata.optionalToken(prefix + "seperator_token_id")
            ?? metadata.optionalToken(prefix + "separator_token_id")
        classifierID = try metadata.optionalToken(prefix + "cls_token_id")
        maskID = try metadata.optionalToken(prefix + "mask_token_id")
        addsBeginning = try metadata.optionalBool(prefix + "add_bos_token")
        addsEnd = try metadata.optionalBool(prefix + "add_eos_token")
        addsSpacePrefix = try metadata.optionalBool(prefix + "add_space_prefix")
        removesExtraWhitespace = try metadata.optionalBool(prefix + "remove_extra_whitespaces")
        characterMap =
            try metadata.optionalIntegers(prefix + "precompiled_charsmap")?
            .map { UInt8(truncatingIfNeeded: $0) } ?? []
        chatTemplate = try metadata.optionalString(GGUFVocabulary.templateKey)
        for key in metadata.keys where key.hasPrefix(GGUFVocabulary.templateKey + ".") {
            let name = String(key.dropFirst(GGUFVocabulary.templateKey.count + 1))
            namedChatTemplates[name] = try metadata.optionalString(key)
        }
    }
}
