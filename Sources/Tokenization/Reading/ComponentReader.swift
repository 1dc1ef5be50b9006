internal import JSONCore

/// Reads the parts of a `tokenizer.json`. Each part names its kind in `type`; a kind unknown here is an error.
enum ComponentReader {
    static func kind(_ value: JSONValue) throws -> String { try value.requireString("type") }

    static func unknown(_ value: JSONValue, _ component: String, _ name: String, _ known: [String]) -> TokenizationError
    {
        .unknownComponent(path: value.path, kind: component, name: name, known: known)
    }

    static func invalid(_ value: JSONValue, _ reason: String) -> TokenizationError {
        .invalidComponent(path: value.path, reason: reason)
    }

    /// `{"String": …}` or `{"Regex": …}`; a bare string stands for itself.
    static func pattern(_ value: JSONValue) throws -> TextPattern {
        if let literal = value.string { return .literal(literal) }
        if let literal = try value.optionalString("String") { return .literal(literal) }
        guard let source = try value.optionalString("Regex") else {
            throw invalid(value, "a pattern needs a String or a Regex")
        }
        do {
            return .regex(try RegexPattern(source))
        } catch let error as TokenizationError {
            throw invalid(value, error.description)
        }
    }

    static func character(_ value: JSONValue) throws -> String {
        let text = try value.requireString()
        guard text.unicodeScalars.count == 1 else { throw value.mismatch(expected: "a single character") }
        return text
    }

    static func count(_ value: JSONValue) throws -> Int {
        let count = try value.requireInt()
        guard count >= 0 else { throw value.mismatch(expected: "a count of 0 or more") }
        return count
    }

    // MARK: Normalizers

    private static let normalizers = [
        "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Lowercase", "StripAccents", "ByteLevel", "Prepend", "Replace", "Strip",
        "BertNormalizer", "Precompiled", "Sequence",
    ]

    static func normalizer(_ value: JSONValue) throws -> Normalizer {
        switch try kind(value) {
        case "NFC": return .nfc
        case "NFD": return .nfd
        case "NFKC": return .nfkc
        case "NFKD": return .nfkd
        case "Nmt": return .nmt
        case "Lowercase": return .lowercase
        case "StripAccents": return .stripAccents
        case "ByteLevel": return .byteLevel
        case "Prepend": return .prepend(try value.requireString("prepend"))
        case "Replace":
            return .replace(try pattern(try value.require("pattern")), with: try value.requireString("content"))
        case "Strip":
            return .strip(left: try value.requireBool("strip_left"), right: try value.requireBool("strip_right"))
        case "BertNormalizer":
            return .bert(
                BertNormalizer(
                    cleansText: try value.requireBool("clean_text"),
                    separatesIdeographs: try value.requireBool("handle_chinese_chars"),
                    stripsAccents: try value.optionalBool("strip_accents"),
                    lowercases: try value.requireBool("lowercase")))
        case "Precompiled":
            let encoded = try value.require("precompiled_charsmap")
            guard let bytes = Base64.decode(try encoded.requireString().utf8) else {
                throw invalid(encoded, "not valid Base64")
            }
            // Some converters write an empty map for a model without one.
            return bytes.isEmpty ? .sequence([]) : .precompiled(try PrecompiledCharacterMap(bytes))
        case "Sequence": return .sequence(try value.requireArray("normalizers").map { try normalizer($0) })
        case let name: throw unknown(value, "normalizer", name, normalizers)
        }
    }

    // MARK: Pre-tokenizers

    private static let preTokenizers = [
        "ByteLevel", "Split", "Whitespace", "WhitespaceSplit", "Metaspace", "BertPreTokenizer", "Digits", "Punctuation",
        "CharDelimiterSplit", "FixedLength", "Sequence",
    ]

    static func preTokenizer(_ value: JSONValue) throws -> PreTokenizer {
        switch try kind(value) {
        case "ByteLevel":
            return .byteLevel(
                addsPrefixSpace: try value.optionalBool("add_prefix_space") ?? true,
                splitsWords: try value.optionalBool("use_regex") ?? true)
        case "Split":
            return .split(
                try pattern(try value.require("pattern")), try behavior(try value.require("behavior")),
                inverted: try value.optionalBool("invert") ?? false)
        case "Whitespace": return .whitespace
        case "WhitespaceSplit": return .whitespaceSplit
        case "Metaspace":
            return .metaspace(
                replacement: try character(try value.require("replacement")), try prependScheme(value),
                splits: try value.optionalBool("split") ?? true)
        case "BertPreTokenizer": return .bert
        case "Digits": return .digits(individually: try value.optionalBool("individual_digits") ?? false)
        case "Punctuation": return .punctuation(try value.optional("behavior").map { try behavior($0) } ?? .isolated)
        case "CharDelimiterSplit": return .delimiter(try character(try value.require("delimiter")))
        case "FixedLength":
            let length = try value.optional("length").map { try count($0) } ?? 5
            guard length > 0 else { throw invalid(value, "length must be at least 1") }
            return .fixedLength(length)
        case "Sequence": return .sequence(try value.requireArray("pretokenizers").map { try preTokenizer($0) })
        case let name: throw unknown(value, "pre-tokenizer", name, preTokenizers)
        }
    }

    private static func behavior(_ value: JSONValue) throws -> SplitBehavior {
        let name = try value.requireString()
        guard let behavior = SplitBehavior(rawValue: name) else {
            throw unknown(value, "split behavior", name, SplitBehavior.allCases.map(\.rawValue))
        }
        return behavior
    }

    /// `prepend_scheme`, or what older files say by `add_prefix_space`.
    static func prependScheme(_ value: JSONValue) throws -> PrependScheme {
        let addsPrefixSpace = try value.optionalBool("add_prefix_space")
        guard let name = try value.optional("prepend_scheme") else {
            return addsPrefixSpace == false ? .never : .always
        }
        guard let scheme = PrependScheme(rawValue: try name.requireString()) else {
            throw unknown(name, "prepend scheme", name.string ?? "", PrependScheme.allCases.map(\.rawValue))
        }
        guard addsPrefixSpace != false || scheme == .never else {
            throw invalid(value, "add_prefix_space is false, but prepend_scheme is \"\(scheme.rawValue)\"")
        }
        return scheme
    }

    // MARK: Decoders

    private static let decoders = [
        "ByteLevel", "WordPiece", "Metaspace", "BPEDecoder", "CTC", "Replace", "ByteFallback", "Fuse", "Strip",
        "Sequence",
    ]

    static func decoder(_ value: JSONValue) throws -> TokenDecoder {
        switch try kind(value) {
        case "ByteLevel": return .byteLevel
        case "WordPiece":
            return .wordPiece(
                prefix: try value.optionalString("prefix") ?? "##", cleansUp: try value.optionalBool("cleanup") ?? true)
        case "Metaspace":
            return .metaspace(replacement: try character(try value.require("replacement")), try prependScheme(value))
        case "BPEDecoder": return .bpe(suffix: try value.optionalString("suffix") ?? "</w>")
        case "CTC":
            return .ctc(
                padding: try value.requireString("pad_token"),
                wordDelimiter: try value.requireString("word_delimiter_token"),
                cleansUp: try value.optionalBool("cleanup") ?? true)
        case "Replace":
            return .replace(try pattern(try value.require("pattern")), with: try value.requireString("content"))
        case "ByteFallback": return .byteFallback
        case "Fuse": return .fuse
        case "Strip":
            return .strip(
                content: try character(try value.require("content")), start: try count(try value.require("start")),
                stop: try count(try value.require("stop")))
        case "Sequence": return .sequence(try value.requireArray("decoders").map { try decoder($0) })
        case let name: throw unknown(value, "decoder", name, decoders)
        }
    }
}
