import Foundation
import JSONCore
import ModelIO
import Tokenization

/// WordPiece and Unigram, the tokenizers of encoders.
extension GGUFTokenizerExport {
    // MARK: WordPiece

    /// Tokens that start a word get U+2581 before them, those that go on lose their `##`.
    /// - Returns: `nil` for a tokenizer that keeps case or marks pieces otherwise: readers of these files do not.
    func wordPiece(_ model: JSONValue) throws -> [Entry]? {
        let normalizer = normalizers.first
        let prefix = try model.optionalString("continuing_subword_prefix") ?? "##"
        guard normalizers.count == 1, normalizer?["type"]?.string == "BertNormalizer",
            normalizer?["lowercase"]?.bool != false, prefix == "##"
        else { return nil }
        let frame = (try? tokenizer.encode("", addSpecialTokens: true)) ?? []
        let classifier = tokenizer.id(for: .classifier) ?? frame.first
        let separator = tokenizer.id(for: .separator) ?? frame.last
        return [("tokenizer.ggml.model", .string("bert")), ("tokenizer.ggml.pre", .string("default"))]
            + vocabulary { $0.hasPrefix("##") ? String($0.dropFirst(2)) : "\u{2581}" + $0 }
            // Older readers know the first token of a text as the classifier, newer ones as the beginning.
            + entries([
                ("bos", classifier), ("cls", classifier), ("seperator", separator),
                ("unknown", unknownID),
                ("padding", tokenizer.id(for: .padding) ?? generation.padTokenID), ("mask", tokenizer.id(for: .mask)),
            ])
    }

    // MARK: Unigram

    func unigram(_ model: JSONValue) throws -> [Entry] {
        var scores = [Float](repeating: -10_000, count: rowCount)
        for (id, piece) in try model.requireArray("vocab").enumerated() where id < rowCount {
            let pair = Array(try piece.requireArray())
            guard pair.count == 2, let score = pair[1].double else {
                throw piece.mismatch(expected: "a token and its score")
            }
            scores[id] = Float(score)
        }
        let map = normalizers.first { $0["type"]?.string == "Precompiled" }?["precompiled_charsmap"]?.string ?? ""
        let bytes = Data(base64Encoded: map) ?? Data()
        return [
            ("tokenizer.ggml.model", .string("t5")), ("tokenizer.ggml.pre", .string("default")),
            ("tokenizer.ggml.scores", .floats(scores)),
            ("tokenizer.ggml.add_space_prefix", .bool(try addsSpacePrefix())),
            ("tokenizer.ggml.remove_extra_whitespaces", .bool(joinsSpaces)),
        ]
            + (bytes.isEmpty
                ? []
                : [
                    (
                        "tokenizer.ggml.precompiled_charsmap",
                        .array(of: .int8, bytes.map { .int8(Int8(bitPattern: $0)) })
                    )
                ])
    }

    /// Whether runs of spaces become one.
    private var joinsSpaces: Bool {
        normalizers.contains { $0["type"]?.string == "Replace" && $0["pattern"]?["Regex"]?.string == " {2,}" }
    }

    /// Roles of special tokens that only these tokenizers have.
    var pieceRoles: [Entry] {
        entries([
            ("seperator", tokenizer.id(for: .separator)), ("cls", tokenizer.id(for: .classifier)),
            ("mask", tokenizer.id(for: .mask)),
        ])
    }
}
