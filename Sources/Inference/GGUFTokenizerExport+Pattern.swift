import JSONCore
import ModelIO

extension GGUFTokenizerExport {
    private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    private static let symbolsAndSpace = #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let llama3 = contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"# + symbolsAndSpace
    private static let qwen2 = contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"# + symbolsAndSpace
    private static let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
    private static let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
    private static let wordStart = #"[^\r\n\p{L}\p{N}]?"#
    private static let symbolsWithSlash = #"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let tekken =
        "\(wordStart)\(upper)*\(lower)+|\(wordStart)\(upper)+\(lower)*" + #"|\p{N}"# + symbolsWithSlash
    private static let gpt4o =
        "\(wordStart)\(upper)*\(lower)+\(contractions)?|\(wordStart)\(upper)+\(lower)*\(contractions)?"
        + #"|\p{N}{1,3}"# + symbolsWithSlash

    /// `tokenizer.ggml.pre`: what GGUF calls the pattern that cuts text into words.
    /// - Throws: `LoadError.unsupportedValue` where the pattern has no name there.
    func patternName(_ model: JSONValue) throws -> String {
        let kinds = preTokenizers.map { $0["type"]?.string ?? "" }
        let ignoresMerges = try model.optionalBool("ignore_merges") ?? false
        switch kinds {
        case ["ByteLevel"] where preTokenizers[0]["use_regex"]?.bool != false: return "gpt-2"
        case ["Digits", "ByteLevel"] where preTokenizers[0]["individual_digits"]?.bool == true: return "smollm"
        case ["Split", "ByteLevel"]:
            let pattern = preTokenizers[0]["pattern"]?["Regex"]?.string ?? ""
            if let name = name(ofPattern: pattern, ignoresMerges: ignoresMerges) { return name }
            throw unnamed(pattern)
        default: throw unnamed(kinds.joined(separator: ", "))
        }
    }

    /// Names differ in what else they stand for: whether a word that is a token becomes it whatever the merges say, and
    /// whether text is composed first.
    private func name(ofPattern pattern: String, ignoresMerges: Bool) -> String? {
        switch pattern {
        case Self.llama3: ignoresMerges ? "llama-bpe" : "smaug-bpe"
        case Self.qwen2: composes ? "qwen2" : "stablelm2"
        case Self.tekken: "tekken"
        case Self.gpt4o: "gpt-4o"
        default: nil
        }
    }

    private var composes: Bool {
        let outer = root["normalizer"]
        return ([outer] + (outer?["normalizers"]?.array.map { $0.map(Optional.some) } ?? []))
            .contains { $0?["type"]?.string == "NFC" }
    }

    private func unnamed(_ pattern: String) -> LoadError {
        .unsupportedValue(
            path: path, key: "pre_tokenizer", value: String(pattern.prefix(100)),
            supported: ["the patterns of GPT-2, Llama 3, Qwen2, SmolLM, Tekken and GPT-4o"])
    }
}
