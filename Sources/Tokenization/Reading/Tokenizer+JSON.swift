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

    static func addedToken(_ value: JSONValue) throws -> AddedToken {
        try addedToken(value, id: try ComponentReader.tokenID(try value.require("id")))
    }

    /// An added token as `tokenizer.json` and `tokenizer_config.json` describe it.
    static func addedToken(_ value: JSONValue, id: Int) throws -> AddedToken {
        AddedToken(
            id: id, content: try value.requireString("content"),
            isSpecial: try value.optionalBool("special") ?? false,
            isNormalized: try value.optionalBool("normalized") ?? !(value["special"]?.bool ?? false),
            isSingleWord: try value.optionalBool("single_word") ?? false,
            stripsLeft: try value.optionalBool("lstrip") ?? false,
            stripsRight: try value.optionalBool("rstrip") ?? false)
    }
}
