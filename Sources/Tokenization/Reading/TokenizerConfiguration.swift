public import JSONCore

/// What `tokenizer_config.json` and `special_tokens_map.json` say beside a `tokenizer.json`.
public struct TokenizerConfiguration: Sendable, Equatable {
    /// The part a special token plays.
    public enum Role: String, Sendable, CaseIterable {
        case beginningOfSequence = "bos_token"
        case endOfSequence = "eos_token"
        case padding = "pad_token"
        case unknown = "unk_token"
        case separator = "sep_token"
        case classifier = "cls_token"
        case mask = "mask_token"
    }

    /// The spelling of the token for each role that has one.
    public var tokens: [Role: String] = [:]
    /// Special tokens without a role.
    public var additionalSpecialTokens: [String] = []
    /// Whether encoding starts with the beginning-of-sequence token, where the file says so.
    public var addsBeginningOfSequence: Bool?
    /// Whether encoding ends with the end-of-sequence token, where the file says so.
    public var addsEndOfSequence: Bool?
    /// The chat template as it stands: Jinja.
    public var chatTemplate: String?
    /// Further chat templates by name ("tool_use", "rag").
    public var namedChatTemplates: [String: String] = [:]
    /// The longest input in tokens that the model was made for, where the file says so.
    public var maximumLengthInTokens: Int?

    public init() {}

    /// The spelling of the token for a role, or nil.
    public func token(for role: Role) -> String? { tokens[role] }

    /// Takes over what the root of a `tokenizer_config.json` or `special_tokens_map.json` says; what it does not say
    /// stays.
    ///
    /// - Throws: ``JSONCore/JSONError`` for a member of the wrong kind.
    public mutating func merge(_ root: JSONValue) throws {
        for role in Role.allCases {
            if let value = try root.optional(role.rawValue) {
                tokens[role] = try TokenizerConfiguration.tokenContent(value)
            }
        }
        if let list = try root.optional("additional_special_tokens"), list.kind == .array {
            additionalSpecialTokens = try list.requireArray().map { try TokenizerConfiguration.tokenContent($0) }
        }
        addsBeginningOfSequence = try root.optionalBool("add_bos_token") ?? addsBeginningOfSequence
        addsEndOfSequence = try root.optionalBool("add_eos_token") ?? addsEndOfSequence
        // Files write 1e30 for "no limit": such a number is none here.
        if let length = try root.optional("model_max_length")?.int { maximumLengthInTokens = length }
        if let template = try root.optional("chat_template") { try mergeChatTemplate(template) }
    }

    private mutating func mergeChatTemplate(_ value: JSONValue) throws {
        guard value.kind == .array else {
            chatTemplate = try value.requireString()
            return
        }
        for entry in try value.requireArray() {
            let name = try entry.requireString("name")
            let template = try entry.requireString("template")
            if name == "default" { chatTemplate = template } else { namedChatTemplates[name] = template }
        }
    }

    /// A token is written as a string, or as an object with a `content`.
    private static func tokenContent(_ value: JSONValue) throws -> String {
        value.kind == .object ? try value.requireString("content") : try value.requireString()
    }
}
