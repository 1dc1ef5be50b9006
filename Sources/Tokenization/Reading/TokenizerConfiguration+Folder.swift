internal import JSONCore

extension TokenizerConfiguration {
    /// Reads `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json` and `chat_template.jinja` of a model
    /// folder. As in transformers 5, the two older files count only where `tokenizer_config.json` has no
    /// `added_tokens_decoder`; the map then overrides it. Blocks while it reads.
    ///
    /// - Throws: ``TokenizationError`` naming the file; a file that does not exist is no error.
    public init(folder path: String) throws {
        self.init()
        func read(_ name: String, _ take: (JSONValue, inout TokenizerConfiguration) throws -> Void) throws {
            let file = "\(path)/\(name)"
            guard FileBytes.exists(file) else { return }
            let bytes = try FileBytes.read(file)
            var result = self
            try Tokenizer.naming(file) {
                let options = JSONReadingOptions(allowsNonFiniteNumbers: true)
                try take(try JSONDocument(parsing: bytes, source: file, options: options).root, &result)
            }
            self = result
        }
        try read("tokenizer_config.json") { try $1.merge($0) }
        if addedTokens == nil {
            try read("special_tokens_map.json") { try $1.merge($0) }
            try read("added_tokens.json") { try $1.mergeAddedTokens($0) }
        }
        try read("config.json") { root, configuration in
            configuration.modelType = root["model_type"]?.string
            configuration.tokenizerClass = configuration.tokenizerClass ?? root["tokenizer_class"]?.string
        }
        let template = path + "/chat_template.jinja"
        if FileBytes.exists(template) {
            chatTemplate = String(decoding: try FileBytes.read(template), as: UTF8.self)
        }
        // Further templates by name, as transformers saves them.
        for name in ["tool_use", "rag"] {
            let file = "\(path)/additional_chat_templates/\(name).jinja"
            guard FileBytes.exists(file) else { continue }
            namedChatTemplates[name] = String(decoding: try FileBytes.read(file), as: UTF8.self)
        }
    }

    /// `added_tokens.json`: the id of each token by its text.
    private mutating func mergeAddedTokens(_ root: JSONValue) throws {
        let special = Set(namedSpecialTokens + additionalSpecialTokens)
        separateTokens = try root.requireObject().map { content, id in
            let isSpecial = special.contains(content)
            return AddedToken(
                id: try id.requireInt(), content: content, isSpecial: isSpecial, isNormalized: !isSpecial)
        }
    }
}
