internal import HTTPTypes
internal import Inference
internal import Tokenization

/// The prompt that fills in between two parts of a text, with the tokens that models for code were trained on
/// (Bavarian et al., 2022).
struct InfillPrompt {
    let tokens: [Int]

    /// Spellings of the tokens for prefix, suffix and middle in the families that have them.
    private static let spellings = [
        ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"), ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
        ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"), ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
        ("▁<PRE>", "▁<SUF>", "▁<MID>"), ("<PRE>", "<SUF>", "<MID>"), ("[PREFIX]", "[SUFFIX]", "[MIDDLE]"),
    ]

    init(_ fields: RequestFields, _ model: ServedModel) throws(APIError) {
        let tokenizer = try model.requireTokenizer()
        let found = InfillPrompt.spellings.lazy.compactMap { prefix, suffix, middle -> (Int, Int, Int)? in
            guard let a = tokenizer.id(for: prefix), let b = tokenizer.id(for: suffix),
                let c = tokenizer.id(for: middle)
            else { return nil }
            return (a, b, c)
        }.first
        guard let (prefix, suffix, middle) = found else {
            throw APIError(
                .notImplemented, "\(model.name) was not made to fill in: its vocabulary lacks the tokens for it",
                type: "not_supported_error", code: "not_supported")
        }
        let before = try fields.requireString("input_prefix")
        let after = try fields.requireString("input_suffix")
        let prompt = try fields.string("prompt") ?? ""
        var context = ""
        for extra in try fields.objects("input_extra", atMost: 1024) ?? [] {
            _ = try extra.string("filename")
            context += try extra.requireString("text") + "\n"
        }
        do {
            func encode(_ text: String) throws -> [Int] {
                try tokenizer.encode(text, addSpecialTokens: false, parseSpecialTokens: false)
            }
            let start = try tokenizer.encode("", addSpecialTokens: true)
            var ids = Array(start.prefix(1))
            ids += try encode(context)
            ids += [prefix] + (try encode(before))
            ids += [suffix] + (try encode(after))
            ids += [middle] + (try encode(prompt))
            tokens = ids
        } catch {
            throw APIError(error)
        }
    }
}
