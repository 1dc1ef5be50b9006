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
    fileprivate static let llama3 = contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"# + symbolsAndSpace
    static let qwen2 = contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"# + symbolsAndSpace
    private static let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
    private static let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
    private static let symbolsWithSlash = #"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let wordStart = #"[^\r\n\p{L}\p{N}]?"#
    fileprivate static let tekken =
        "\(wordStart)\(upper)*\(lower)+|\(wordStart)\(upper)+\(lower)*" + #"|\p{N}"# + symbolsWithSlash
    fileprivate static let gpt4o =
        "\(wordStart)\(upper)*\(lower)+\(contractions)?|\(wordStart)\(upper)+\(lower)*\(contractions)?"
        + #"|\p{N}{1,3}"# + symbolsWithSlash
    private static let deepSeekText =
        ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+"##
    private static let newlinesAndSpace = #"|\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let kana = "[一-龥぀-ゟ゠-ヿ]+"
    /// Kimi K2's words are those of GPT-4o without Chinese characters, which come first.
    private static func outsideHan(_ letters: String) -> String { #"(?:(?!\p{Han})"# + letters + ")" }
    private static let kimi =
        #"\p{Han}+|"# + "\(wordStart)\(outsideHan(upper))*\(outsideHan(lower))+\(contractions)?|"
        + "\(wordStart)\(outsideHan(upper))+\(outsideHan(lower))*\(contractions)?" + #"|\p{N}{1,3}"# + symbolsAndSpace
    /// The letters with case that DeepSeek's first tokenizer joins to words, as far as its Unicode version had them.
    private static let deepSeekLetters: [ClosedRange<UInt32>] = [
        0x41...0x5A, 0x61...0x7A, 0xB5...0xB5, 0xC0...0xD6, 0xD8...0xF6, 0xF8...0x1BA, 0x1BC...0x1BF, 0x1C4...0x293,
        0x295...0x2AF, 0x370...0x373, 0x376...0x377, 0x37B...0x37D, 0x37F...0x37F, 0x386...0x386, 0x388...0x38A,
        0x38C...0x38C, 0x38E...0x3A1, 0x3A3...0x3F5, 0x3F7...0x481, 0x48A...0x52F, 0x531...0x556, 0x10A0...0x10C5,
        0x13A0...0x13F5, 0x13F8...0x13FD, 0x1C90...0x1CBA, 0x1CBD...0x1CBF, 0x1D00...0x1D2B, 0x1D6B...0x1D77,
        0x1D79...0x1D9A, 0x1E00...0x1F15, 0x1F18...0x1F1D, 0x1F20...0x1F45, 0x1F48...0x1F4D, 0x1F50...0x1F57,
        0x1F59...0x1F59, 0x1F5B...0x1F5B, 0x1F5D...0x1F5D, 0x1F5F...0x1F7D, 0x1F80...0x1FB4, 0x1FB6...0x1FBC,
        0x1FBE...0x1FBE, 0x1FC2...0x1FC4, 0x1FC6...0x1FCC, 0x1FD0...0x1FD3, 0x1FD6...0x1FDB, 0x1FE0...0x1FEC,
        0x1FF2...0x1FF4, 0x1FF6...0x1FFC, 0x2102...0x2102, 0x2107...0x2107, 0x210A...0x2113, 0x2115...0x2115,
        0x2119...0x211D, 0x2124...0x2124, 0x2126...0x2126, 0x2128...0x2128, 0x212A...0x212D, 0x212F...0x2134,
        0x2139...0x2139, 0x213C...0x213F, 0x2145...0x2149, 0x214E...0x214E, 0x2183...0x2184, 0x2C00...0x2C7B,
        0x2C7E...0x2CE4, 0x2CEB...0x2CEE, 0x2CF2...0x2CF3, 0xA640...0xA66D, 0xA680...0xA69B, 0xA722...0xA76F,
        0xA771...0xA787, 0xA78B...0xA78E, 0xAB70...0xABBF, 0xFB00...0xFB06, 0xFB13...0xFB17, 0xFF21...0xFF3A,
        0xFF41...0xFF5A, 0x10400...0x1044F, 0x104B0...0x104D3, 0x104D8...0x104FB, 0x10C80...0x10CB2,
        0x10CC0...0x10CF2, 0x118A0...0x118DF, 0x1E900...0x1E943,
    ]
    private static let deepSeekWord =
        #"\s?["# + deepSeekLetters.map { "\\x{\(hex($0.lowerBound))}-\\x{\(hex($0.upperBound))}" }.joined() + "]+"
    private static func hex(_ scalar: UInt32) -> String { String(scalar, radix: 16) }
    private static let bloom = " ?[^(\\s|.,!?…。，、।۔،)]+"

    private static let families: [(names: [String], preTokenizer: GGUFPreTokenizer)] = [
        (
            [
                "gpt-2", "gpt2", "phi-2", "mpt", "olmo", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de",
                "jina-v1-en", "jina-v2-code", "roberta-bpe", "gigachat", "jais", "a.x-4.0", "mellum", "modern-bert",
                "exaone4", "trillion", "granite-docling",
            ],
            GGUFPreTokenizer(patterns: [gpt2])
        ),
        (
            [
                "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
                "jina-v5-nano",
            ],
            GGUFPreTokenizer(patterns: [llama3], ignoresMerges: true, addsBeginning: true)
        ),
        (["dbrx", "smaug-bpe", "chatglm-bpe"], GGUFPreTokenizer(patterns: [llama3])),
        (["glm4", "glm5"], GGUFPreTokenizer(patterns: [llama3], ignoresMerges: true)),
        (
            ["jais-2"],
            GGUFPreTokenizer(patterns: [
                contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"#
                    + [512, 256, 128, 64, 32, 16, 8, 4].map { "|\\s{\($0)}(?!\\S)" }.joined()
                    + #"|\s{1,2}(?!\S)|\s{1}"#
            ])
        ),
        (
            ["qwen2", "deepseek-r1-qwen", "megrez", "kormo", "f2llmv2"],
            GGUFPreTokenizer(patterns: [qwen2], composes: true)
        ),
        (
            ["qwen35"],
            GGUFPreTokenizer(patterns: [
                contractions + #"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"#
                    + newlinesAndSpace
            ])
        ),
        (["stablelm2", "hunyuan", "solar-open", "grok-2"], GGUFPreTokenizer(patterns: [qwen2])),
        (["laguna"], GGUFPreTokenizer(patterns: [#"[^\n]+|[\n]+"#, qwen2])),
        (
            ["ufakzeka"],
            GGUFPreTokenizer(patterns: [#"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"# + symbolsAndSpace])
        ),
        (
            ["seed-coder"],
            GGUFPreTokenizer(patterns: [
                contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+"# + newlinesAndSpace
            ])
        ),
        (
            ["bailingmoe", "bailingmoe2", "llada-moe"],
            GGUFPreTokenizer(patterns: [
                #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*"#
                    + #"|\s*[\r\n]|\s+(?!\S)|\s+"#
            ])
        ),
        (
            ["exaone-moe"],
            GGUFPreTokenizer(patterns: [
                contractions + #"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}"#
                    + #"| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"#
            ])
        ),
        (
            ["minicpm5"],
            GGUFPreTokenizer(
                patterns: [
                    #"\p{N}{1,3}"#, contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+"# + symbolsAndSpace,
                ], ignoresMerges: true)
        ),
        (
            ["starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"],
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
            ["deepseek-llm"],
            GGUFPreTokenizer(patterns: [
                "[\r\n]", deepSeekWord, #"\s?[!-/:-~！-／：-～‘-‟\x{3000}-。]+"#, #"\s+$"#, "[一-龥ࠀ-一가-퟿]+",
                #"\p{N}+"#,
            ])
        ),
        (
            ["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"],
            GGUFPreTokenizer(patterns: [#"\p{N}{1,3}"#, kana, deepSeekText + #"[\r\n]*"# + newlinesAndSpace])
        ),
        (
            ["spark2_5"],
            GGUFPreTokenizer(patterns: [
                #"\p{N}{1,3}"#, kana, deepSeekText + #"|[\r\n]|\s+(?!\S)|\s+"#, #"\p{N}"#,
            ])
        ),
        (
            ["chameleon"],
            GGUFPreTokenizer(
                patterns: [
                    "<sentinel:[0-9]+>", "IMGIMG[A-I]{1,4}Z", #"[\t\n]|    |  "#, #"\p{N}"#,
                    #"[\p{P}!-/:-@\[-`{-~]"#, gpt2,
                ], addsBeginning: true)
        ),
        (["tekken"], GGUFPreTokenizer(patterns: [tekken], ignoresMerges: true, addsBeginning: true)),
        (["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"], GGUFPreTokenizer(patterns: [gpt4o])),
        (["granite-embed-multi-97m"], GGUFPreTokenizer(patterns: [gpt4o], ignoresMerges: true)),
        (
            ["tiny_aya", "cohere2moe"],
            GGUFPreTokenizer(patterns: [#"\d{1,3}(?=(?:\d{3})*\b)"#, gpt4o])
        ),
        (
            ["youtu"],
            GGUFPreTokenizer(
                patterns: [
                    "[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+",
                    gpt4o.replacing(#"\p{N}{1,3}"#, with: #"\p{N}"#),
                ], ignoresMerges: true)
        ),
        (["kimi-k2"], GGUFPreTokenizer(patterns: [kimi])),
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

/// The patterns of well-known tokenizers, which GGUF files only name.
package enum NamedWordPattern: Sendable {
    case llama3, qwen2, tekken, gpt4o

    /// `nil` for any other pattern.
    package init?(_ pattern: String) {
        switch pattern {
        case GGUFPreTokenizer.llama3: self = .llama3
        case GGUFPreTokenizer.qwen2: self = .qwen2
        case GGUFPreTokenizer.tekken: self = .tekken
        case GGUFPreTokenizer.gpt4o: self = .gpt4o
        default: return nil
        }
    }
}
