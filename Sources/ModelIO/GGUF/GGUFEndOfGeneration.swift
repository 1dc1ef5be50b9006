/// Which tokens of a GGUF file end a text, decided as llama.cpp does: tokens that keys name, and tokens that are
/// spelled as such tokens usually are, whatever type the file gives them. (`llama_vocab::impl::load` of llama.cpp)
public struct GGUFEndOfGeneration: Sendable {
    /// The tokens that end a text: the one that `eos_token_id` names first, then in order of their ids.
    public private(set) var tokens: [Int] = []
    /// Tokens that count as control tokens although the file gives them another type.
    public private(set) var controlTokens: [Int] = []
    /// Tokens that count as visible text although the file gives them another type.
    public private(set) var userDefinedTokens: [Int] = []

    private static let prefix = "tokenizer.ggml."
    /// Spellings of tokens that end a text.
    private static let ends: Set<String> = [
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>",
        "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>",
        "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>",
    ]
    /// The key that names a token, and the spellings that are looked for where the key is absent. The tokens of
    /// fill-in-the-middle end a text too: what follows them belongs to another file.
    private static let named: [(key: String, spellings: [String])] = [
        ("eot", ["<\u{FF5C}end\u{2581}of\u{2581}sentence\u{FF5C}>"]), ("eom", []),
        ("fim_pad", ["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"]),
        ("fim_rep", ["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"]),
        ("fim_sep", ["<|file_sep|>"]),
    ]
    private static let channels: Set<String> = ["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"]

    /// - Parameter notices: receives notices about keys that are ignored.
    /// - Throws: `LoadError` where the list of tokens cannot be read.
    public init(_ metadata: GGUFMetadata, notices: inout [String]) throws {
        let prefix = GGUFEndOfGeneration.prefix
        let strings = try metadata.optionalStrings(prefix + "tokens")
        let count = strings?.count ?? 0
        let model = try metadata.optionalString(prefix + "model")
        let end = GGUFTokenRole.end.token(metadata, model: model, tokenCount: count, notices: &notices)
        // Encoders such as those with WordPiece generate nothing; their [PAD] ends no text.
        guard let strings, model != "bert" else {
            tokens = [end].compactMap { $0 }
            return
        }
        var wanted = GGUFEndOfGeneration.ends.union(GGUFEndOfGeneration.channels)
        for name in GGUFEndOfGeneration.named { wanted.formUnion(name.spellings) }
        let lengths = Set(wanted.map(\.utf8.count))
        var ids: [String: Int] = [:]
        var id = 0
        try strings.forEachString { bytes in
            if lengths.contains(bytes.count) {
                let text = String(decoding: bytes, as: UTF8.self)
                if wanted.contains(text) { ids[text] = id }
            }
            id += 1
        }
        decide(metadata, ids, end: end, tokenCount: count, notices: &notices)
    }

    private mutating func decide(
        _ metadata: GGUFMetadata, _ ids: [String: Int], end: Int?, tokenCount: Int, notices: inout [String]
    ) {
        var found = Set(GGUFEndOfGeneration.ends.compactMap { ids[$0] })
        for (key, spellings) in GGUFEndOfGeneration.named {
            let stated = GGUFTokenRole(key: key + "_token_id").stated(
                metadata, tokenCount: tokenCount, notices: &notices)
            if let token = stated ?? spellings.compactMap({ ids[$0] }).first { found.insert(token) }
        }
        controlTokens = found.sorted()
        userDefinedTokens = GGUFEndOfGeneration.channels.compactMap { ids[$0] }.sorted()
        if let end { found.insert(end) }
        func has(_ text: String) -> Bool { ids[text] != nil }
        // In the format of gpt-oss and Solar, <|end|> ends a message and not the answer.
        let isHarmony = has("<|return|>") && (has("<|call|>") || has("<|calls|>"))
        if isHarmony || (has("<|flush|>") && (has("<|call|>") || has("<|calls|>"))), let id = ids["<|end|>"] {
            found.remove(id)
            userDefinedTokens.append(id)
        }
        if has("<|tool_response>"), let id = ids["</s>"] { found.remove(id) }
        tokens = (end.map { found.contains($0) ? [$0] : [] } ?? []) + found.filter { $0 != end }.sorted()
    }
}

/// A special token that a key of a GGUF file names.
public struct GGUFTokenRole: Sendable {
    /// The key, below `tokenizer.ggml.`.
    public let key: String
    /// What llama.cpp assumes where the key is absent or wrong, by `tokenizer.ggml.model`.
    private let defaults: [String: Int]

    init(key: String, defaults: [String: Int] = [:]) {
        self.key = key
        self.defaults = defaults
    }

    public static let beginning = GGUFTokenRole(key: "bos_token_id", defaults: ["llama": 1, "bert": 101])
    public static let end = GGUFTokenRole(key: "eos_token_id", defaults: ["llama": 2, "t5": 1])
    public static let unknown = GGUFTokenRole(
        key: "unknown_token_id", defaults: ["llama": 0, "bert": 100, "t5": 2])
    public static let padding = GGUFTokenRole(key: "padding_token_id", defaults: ["bert": 0, "t5": 0])
    /// The first spelling is the format's own; later files use the correct one.
    public static let separator = GGUFTokenRole(key: "seperator_token_id", defaults: ["bert": 102])
    public static let separatorSpelledRight = GGUFTokenRole(key: "separator_token_id")
    public static let classifier = GGUFTokenRole(key: "cls_token_id")
    public static let mask = GGUFTokenRole(key: "mask_token_id", defaults: ["bert": 103])

    /// The token that the key names, else llama.cpp's default for the model, else `nil`.
    public func token(
        _ metadata: GGUFMetadata, model: String?, tokenCount: Int, notices: inout [String]
    ) -> Int? {
        if let stated = stated(metadata, tokenCount: tokenCount, notices: &notices) { return stated }
        guard let assumed = model.flatMap({ defaults[$0] }), assumed < tokenCount else { return nil }
        return assumed
    }

    /// The token that the key names; `nil` where it is absent, means none, or is not a token, which gives a notice.
    func stated(_ metadata: GGUFMetadata, tokenCount: Int, notices: inout [String]) -> Int? {
        let name = "tokenizer.ggml.\(key)"
        do {
            guard let token = try metadata.optionalToken(name) else { return nil }
            guard token >= tokenCount, tokenCount > 0 else { return token }
            notices.append(
                "\(metadata.path): \(name) is \(token), which is not among the \(tokenCount) tokens; left aside")
        } catch {
            notices.append("\(error); left aside")
        }
        return nil
    }
}
