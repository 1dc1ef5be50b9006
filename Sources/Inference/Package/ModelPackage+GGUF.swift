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
        scores = read { try metadata.optionalNumbers(prefix + "scores") }
        kinds = read { try metadata.optionalIntegers(prefix + "token_type") }
        func role(_ role: GGUFTokenRole) -> Int? {
            role.token(metadata, model: model, tokenCount: tokenCount, notices: &notices)
        }
        beginningID = role(.beginning)
        endID = role(.end)
        unknownID = role(.unknown)
        paddingID = role(.padding)
        separatorID = role(.separatorSpelledRight) ?? role(.separator)
        classifierID = role(.classifier)
        maskID = role(.mask)
        var repeated: [String] = []
        try apply(GGUFEndOfGeneration(metadata, notices: &repeated))
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

    /// The value of a key. A value of the wrong kind, which no run needs, only gives a notice.
    private mutating func read<Value>(_ body: () throws -> [Value]?) -> [Value] {
        do {
            return try body() ?? []
        } catch {
            notices.append("\(error); left aside")
            return []
        }
    }

    /// Tokens that end a text are control tokens, whatever type the file gives them.
    private mutating func apply(_ end: GGUFEndOfGeneration) {
        guard !end.controlTokens.isEmpty || !end.userDefinedTokens.isEmpty else { return }
        if kinds.count != tokenCount { kinds = Array(repeating: TokenKind.normal.rawValue, count: tokenCount) }
        for id in end.controlTokens where kinds.indices.contains(id) { kinds[id] = TokenKind.control.rawValue }
        for id in end.userDefinedTokens where kinds.indices.contains(id) { kinds[id] = TokenKind.userDefined.rawValue }
    }
}
