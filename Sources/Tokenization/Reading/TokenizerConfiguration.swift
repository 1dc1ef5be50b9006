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
    /// Special tokens without a role (`extra_special_tokens`, formerly `additional_special_tokens`).
    public var additionalSpecialTokens: [String] = []
    /// Special tokens with roles that only some models have (`image_token`), by key in order of the file.
    public var modelSpecificTokens: [String] = []
    /// The tokens of `added_tokens_decoder`, in order of their ids; `nil` where the file has none.
    public var addedTokens: [AddedToken]?
    /// The tokens of `added_tokens.json`.
    var separateTokens: [AddedToken] = []
    /// How tokens are found that are written as objects where a text would do.
    var describedTokens: [String: AddedToken] = [:]
    /// `tokenizer_class`, such as `LlamaTokenizer`.
    public var tokenizerClass: String?
    /// `model_input_names`: what a model gets of a text.
    var modelInputNames: [String]?
    /// Whether the `tokenizer.json` beside it is byte-level BPE, which no `LlamaTokenizer` is.
    var hasByteLevelFile = false
    /// The `model_type` of the model's configuration, which has a say in what the class means.
    var modelType: String?
    /// `legacy` of SentencePiece tokenizers: whether each text between added tokens starts with a word mark of its own.
    public var isLegacy: Bool?
    /// `add_prefix_space`, where the file says it.
    public var addsPrefixSpace: Bool?
    /// Settings that only some classes of tokenizers know; `nil` where the file does not say them.
    struct ClassOptions: Sendable, Equatable {
        var lowercases: Bool?
        var separatesIdeographs: Bool?
        var stripsAccents: Bool?
        var keepsAccents: Bool?
        var splitsAtPunctuation: Bool?
        var extraIDCount: Int?
        var offset: Int?
    }

    var classOptions = ClassOptions()
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

    /// What should be told of values that were left aside.
    public var notices: [String] = []

    public init() {}

    /// The spelling of the token for a role, or nil.
    public func token(for role: Role) -> String? { tokens[role] }

    /// The tokens with a role, those of all models first.
    var namedSpecialTokens: [String] {
        var named = Role.inOrderOfAddition.compactMap { tokens[$0] }
        if isLlamaTokenizer {
            let defaults: [(Role, String)] = [
                (.unknown, "<unk>"), (.beginningOfSequence, "<s>"), (.endOfSequence, "</s>"),
            ]
            named += defaults.filter { tokens[$0.0] == nil }.map(\.1)
        }
        return named + modelSpecificTokens
    }

    /// Whether transformers 5 makes a tokenizer of its own design for the class named, instead of what the file says.
    var isLlamaTokenizer: Bool {
        guard tokenizerClass == "LlamaTokenizer" || tokenizerClass == "LlamaTokenizerFast", !hasByteLevelFile else {
            return false
        }
        return modelType.map { !TokenizerConfiguration.modelsOfAnyClass.contains($0) } ?? true
    }

    /// Whether models are told which of two texts a token belongs to (`token_type_ids`): as the file says, else as the class
    /// does in `transformers`. What version 5 saves under the general class does not tell them.
    public var givesSegments: Bool {
        if let modelInputNames { return modelInputNames.contains("token_type_ids") }
        guard let tokenizerClass else { return true }
        return !TokenizerConfiguration.classesWithoutSegments.contains(
            tokenizerClass.hasSuffix("Fast") ? String(tokenizerClass.dropLast(4)) : tokenizerClass)
    }

    private static let classesWithoutSegments: Set<String> = [
        "TokenizersBackend", "DistilBertTokenizer", "MPNetTokenizer", "RobertaTokenizer", "XLMRobertaTokenizer",
        "CamembertTokenizer",
    ]

    /// Models whose files name a class that is not theirs; transformers takes their `tokenizer.json` as it is.
    private static let modelsOfAnyClass: Set<String> = [
        "mistral", "mixtral", "phi3", "qwen2", "olmo2", "granite", "granitemoe", "granitemoeshared", "gpt_bigcode",
        "stablelm", "internlm2",
    ]

    /// Takes over what the root of a `tokenizer_config.json` or `special_tokens_map.json` says; what it does not say
    /// stays.
    ///
    /// - Throws: ``JSONCore/JSONError`` for a member of the wrong kind.
    public mutating func merge(_ root: JSONValue) throws {
        for role in Role.allCases {
            if let value = try root.optional(role.rawValue) { tokens[role] = try takeToken(value) }
        }
        for key in ["additional_special_tokens", "extra_special_tokens"] {
            guard let list = try root.optional(key) else { continue }
            if list.kind == .array { additionalSpecialTokens = try list.requireArray().map { try takeToken($0) } }
            if list.kind == .object { modelSpecificTokens += try list.requireObject().map { try takeToken($0.value) } }
        }
        let roles = Set(Role.allCases.map(\.rawValue))
        for (key, value) in try root.requireObject() where key.hasSuffix("_token") && !roles.contains(key) {
            if value.string != nil || value["content"] != nil { modelSpecificTokens.append(try takeToken(value)) }
        }
        if let decoder = try root.optional("added_tokens_decoder")?.requireObject() {
            addedTokens = try decoder.map { key, value in
                guard let id = Int(key), id >= 0 else {
                    throw value.mismatch(expected: "a token under its id")
                }
                return try Tokenizer.addedToken(value, id: id)
            }
        }
        tokenizerClass = root["tokenizer_class"]?.string ?? tokenizerClass
        modelInputNames = root["model_input_names"]?.array.map { $0.compactMap(\.string) } ?? modelInputNames
        isLegacy = root["legacy"]?.bool ?? isLegacy
        addsPrefixSpace = root["add_prefix_space"]?.bool ?? addsPrefixSpace
        addsBeginningOfSequence = try root.optionalBool("add_bos_token") ?? addsBeginningOfSequence
        addsEndOfSequence = try root.optionalBool("add_eos_token") ?? addsEndOfSequence
        mergeClassOptions(root)
        // Files write 1e30 for "no limit": such a number is none here.
        if let length = try root.optional("model_max_length")?.int { maximumLengthInTokens = length }
        if let template = try root.optional("chat_template") { try mergeChatTemplate(template) }
    }

    private mutating func mergeClassOptions(_ root: JSONValue) {
        classOptions.lowercases = root["do_lower_case"]?.bool ?? classOptions.lowercases
        classOptions.separatesIdeographs = root["tokenize_chinese_chars"]?.bool ?? classOptions.separatesIdeographs
        classOptions.stripsAccents = root["strip_accents"]?.bool ?? classOptions.stripsAccents
        classOptions.keepsAccents = root["keep_accents"]?.bool ?? classOptions.keepsAccents
        classOptions.splitsAtPunctuation = root["split_by_punct"]?.bool ?? classOptions.splitsAtPunctuation
        classOptions.extraIDCount = root["extra_ids"]?.int ?? classOptions.extraIDCount
        classOptions.offset = root["offset"]?.int ?? classOptions.offset
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

    /// A token is written as a string, or as an object with a `content`, whose flags are kept.
    private mutating func takeToken(_ value: JSONValue) throws -> String {
        guard value.kind == .object else { return try value.requireString() }
        let content = try value.requireString("content")
        var token = try Tokenizer.addedToken(value, id: 0)
        token.isSpecial = true
        token.isNormalized = value["normalized"]?.bool ?? false
        describedTokens[content] = token
        return content
    }
}

extension TokenizerConfiguration.Role {
    /// The order in which tokens get the next free ids.
    fileprivate static let inOrderOfAddition: [Self] = [
        .beginningOfSequence, .endOfSequence, .unknown, .separator, .padding, .classifier, .mask,
    ]
}
