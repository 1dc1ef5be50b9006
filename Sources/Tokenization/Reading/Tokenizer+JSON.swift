internal import JSONCore

extension Tokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// - Parameters:
    ///   - bytes: the file's content.
    ///   - source: what to call it in errors.
    /// - Throws: ``TokenizationError`` naming the part that is not JSON, not known, or contradicts the rest.
    public init(json bytes: [UInt8], source: String = "tokenizer.json") throws {
        self = try Tokenizer.naming(source) {
            try Tokenizer(root: try JSONDocument(parsing: bytes, source: source).root)
        }
    }

    /// Reads a model folder: its `tokenizer.json`, and `tokenizer_config.json`, `special_tokens_map.json` and
    /// `chat_template.jinja` where they exist. Blocks while it reads.
    ///
    /// - Throws: ``TokenizationError`` naming the file.
    public init(folder path: String) throws {
        let file = path + "/tokenizer.json"
        try self.init(json: try FileBytes.read(file), source: file)
        configuration = try TokenizerConfiguration(folder: path)
    }

    /// Runs `body`; what it throws then names the source.
    static func naming<R>(_ source: String, _ body: () throws -> R) throws -> R {
        do {
            return try body()
        } catch let error as JSONError {
            throw TokenizationError.json(error)
        } catch let error as TokenizationError {
            throw TokenizationError.inFile(source, error)
        }
    }

    private init(root: JSONValue) throws {
        let normalizer = try root.optional("normalizer").map { try ComponentReader.normalizer($0) }
        let preTokenizer = try root.optional("pre_tokenizer").map { try ComponentReader.preTokenizer($0) }
        let postProcessor = try root.optional("post_processor").map { try ComponentReader.postProcessor($0) }
        let decoder = try root.optional("decoder").map { try ComponentReader.decoder($0) }
        let added = try root.optionalArray("added_tokens")?.map { try Tokenizer.addedToken($0) }
        try self.init(
            model: try ComponentReader.model(try root.require("model")), normalizer: normalizer,
            preTokenizer: preTokenizer, postProcessor: postProcessor ?? .none, decoder: decoder,
            addedTokens: added ?? [])
        offsetTrimming = try root.optional("post_processor").flatMap { try ComponentReader.offsetTrimming($0) }
    }

    private static func addedToken(_ value: JSONValue) throws -> AddedToken {
        AddedToken(
            id: try ComponentReader.tokenID(try value.require("id")),
            content: try value.requireString("content"),
            isSpecial: try value.optionalBool("special") ?? false,
            isNormalized: try value.optionalBool("normalized") ?? !(value["special"]?.bool ?? false),
            isSingleWord: try value.optionalBool("single_word") ?? false,
            stripsLeft: try value.optionalBool("lstrip") ?? false,
            stripsRight: try value.optionalBool("rstrip") ?? false)
    }
}

extension TokenizerConfiguration {
    /// Reads `special_tokens_map.json`, `tokenizer_config.json` and `chat_template.jinja` of a model folder, in that
    /// order: what a later one says counts. Blocks while it reads.
    ///
    /// - Throws: ``TokenizationError`` naming the file; a file that does not exist is no error.
    public init(folder path: String) throws {
        self.init()
        for name in ["special_tokens_map.json", "tokenizer_config.json"] where FileBytes.exists("\(path)/\(name)") {
            let file = "\(path)/\(name)"
            let bytes = try FileBytes.read(file)
            let merged = try Tokenizer.naming(file) {
                var configuration = self
                let options = JSONReadingOptions(allowsNonFiniteNumbers: true)
                try configuration.merge(try JSONDocument(parsing: bytes, source: file, options: options).root)
                return configuration
            }
            self = merged
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
}
