import JSONCore
import ModelIO
import Tokenization

extension GGUFTokenizerExport {
    /// `tokenizer.ggml.pre`: GGUF's name of the pattern that cuts text into words.
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

    /// A name also implies whether a word that is a token becomes it regardless of the merges, and whether text is
    /// normalised first.
    private func name(ofPattern pattern: String, ignoresMerges: Bool) -> String? {
        switch NamedWordPattern(pattern) {
        case .llama3: ignoresMerges ? "llama-bpe" : "smaug-bpe"
        case .qwen2: composes ? "qwen2" : "stablelm2"
        case .tekken: "tekken"
        case .gpt4o: "gpt-4o"
        case nil: nil
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
