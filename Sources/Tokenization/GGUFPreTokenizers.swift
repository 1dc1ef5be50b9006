/// How the byte-level BPE tokenizers that GGUF files name in `tokenizer.ggml.pre` cut text into words.
struct GGUFPreTokenizer: Sendable {
    /// Applied one after the other: each cuts the pieces that the one before left.
    let patterns: [String]
    /// A word that is a token becomes it, whatever the merges say.
    var ignoresMerges = false
    /// Whether encoding starts with the beginning-of-sequence token where the file does not say.
    var addsBeginning = false
    /// Whether text is composed (NFC) first, as the tokenizer that the vocabulary was made with does.
    var composes = false

    private static let gpt2 = WordScanner.gpt2Pattern
    private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    private static let symbolsAndSpace = #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let llama3 = contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"# + symbolsAndSpace
    private static let qwen2 = contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"# + symbolsAndSpace
    private static let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
    private static let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
    private static let symbolsWithSlash = #"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let wordStart = #"[^\r\n\p{L}\p{N}]?"#
    private static let tekken =
        "\(wordStart)\(upper)*\(lower)+|\(wordStart)\(upper)+\(lower)*" + #"|\p{N}"# + symbolsWithSlash
    private static let gpt4o =
        "\(wordStart)\(upper)*\(lower)+\(contractions)?|\(wordStart)\(upper)+\(lower)*\(contractions)?"
        + #"|\p{N}{1,3}"# + symbolsWithSlash
    private static let bloom = " ?[^(\\s|.,!?…。，、।۔،)]+"

    private static let families: [(names: [String], preTokenizer: GGUFPreTokenizer)] = [
        (
            [
                "gpt-2", "gpt2", "phi-2", "mpt", "olmo", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de",
                "jina-v2-code", "roberta-bpe", "gigachat", "jais", "a.x-4.0", "mellum", "modern-bert",
            ],
            GGUFPreTokenizer(patterns: [gpt2])
        ),
        (
            ["llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"],
            GGUFPreTokenizer(patterns: [llama3], ignoresMerges: true, addsBeginning: true)
        ),
        (["dbrx", "smaug-bpe", "glm4", "chatglm-bpe"], GGUFPreTokenizer(patterns: [llama3])),
        (
            ["qwen2", "deepseek-r1-qwen", "megrez"],
            GGUFPreTokenizer(patterns: [qwen2], composes: true)
        ),
        (["stablelm2", "hunyuan"], GGUFPreTokenizer(patterns: [qwen2])),
        (
            ["starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b"],
            GGUFPreTokenizer(patterns: [#"\p{N}"#, gpt2])
        ),
        (
            ["falcon"],
            GGUFPreTokenizer(patterns: [#"[\p{P}\$\+<=>\^~\|`]+"#, gpt2, "[0-9][0-9][0-9]"])
        ),
        (
            ["default"],
            GGUFPreTokenizer(patterns: [#"[\p{P}\$\+<=>\^~\|]+"#, gpt2, #"\p{N}+"#, "[0-9][0-9][0-9]"])
        ),
        (
            ["deepseek-coder"],
            GGUFPreTokenizer(patterns: [
                "[\r\n]", #"\s?\p{L}+"#, #"\s?\p{P}+"#, "[一-龥ࠀ-一가-퟿]+", #"\p{N}"#,
            ])
        ),
        (
            ["deepseek-v3"],
            GGUFPreTokenizer(patterns: [
                #"\p{N}{1,3}"#, "[一-龥぀-ゟ゠-ヿ]+",
                ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"##
                    + #"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#,
            ])
        ),
        (["tekken"], GGUFPreTokenizer(patterns: [tekken], ignoresMerges: true, addsBeginning: true)),
        (["gpt-4o", "llama4", "kanana2"], GGUFPreTokenizer(patterns: [gpt4o])),
        (["bloom", "gpt3-finnish", "poro-chat"], GGUFPreTokenizer(patterns: [bloom])),
        (["viking"], GGUFPreTokenizer(patterns: [bloom, #"\p{N}"#])),
    ]

    static let byName: [String: GGUFPreTokenizer] = Dictionary(
        families.flatMap { family in family.names.map { ($0, family.preTokenizer) } },
        uniquingKeysWith: { first, _ in first })

    /// - Throws: ``TokenizationError/unknownComponent(path:kind:name:known:)`` naming the pattern.
    static func named(_ name: String) throws -> GGUFPreTokenizer {
        guard let found = byName[name] else {
            throw TokenizationError.unknownComponent(
                path: "tokenizer.ggml.pre", kind: "pre-tokenizer", name: name, known: byName.keys.sorted())
        }
        return found
    }

    func make() throws -> PreTokenizer {
        .sequence(
            try patterns.map { .split(.regex(try RegexPattern($0)), .isolated, inverted: false) }
                + [.byteLevel(addsPrefixSpace: false, splitsWords: false)])
    }
}
