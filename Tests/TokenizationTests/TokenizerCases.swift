import Foundation
import JSONCore
import TestSupport
import Tokenization

/// A text and what the reference library makes of it; made by `make_tokenizers.py` of the reference material.
struct TokenizerCase: Sendable {
    let text: String
    let ids: [Int]
    let idsWithSpecial: [Int]?
    let decodedIDs: [Int]
    let decoded: String?
    let pair: PairCase?

    struct PairCase: Sendable {
        let text: String
        let framed: Tokenizer.Encoding
        let plain: Tokenizer.Encoding
    }

    init(_ value: JSONValue) throws {
        func integers(_ key: String) throws -> [Int]? { try value.optionalArray(key)?.map { try $0.requireInt() } }
        text = try value.requireString("text")
        ids = try integers("ids") ?? []
        idsWithSpecial = try integers("ids_special")
        decodedIDs = try integers("decode_ids") ?? ids
        decoded = try value.optionalString("decoded")
        pair = try value.optionalString("pair").map { text in
            PairCase(
                text: text,
                framed: .init(ids: try integers("pair_ids") ?? [], typeIDs: try integers("pair_types") ?? []),
                plain: .init(
                    ids: try integers("pair_plain") ?? [], typeIDs: try integers("pair_plain_types") ?? []))
        }
    }

    static func load(_ url: URL) throws -> [TokenizerCase] {
        try JSONDocument(parsing: Array(try Data(contentsOf: url)), source: url.path).root
            .requireArray("cases").map { try TokenizerCase($0) }
    }

    /// What differs from the reference, in words; empty where nothing does.
    func differences(_ tokenizer: Tokenizer) throws -> [String] {
        var found: [String] = []
        func compare<T: Equatable>(_ what: String, _ actual: T, _ expected: T) {
            if actual != expected {
                found.append("\(what) of \(text.debugDescription): \(actual), expected \(expected)")
            }
        }
        compare("ids", try tokenizer.encode(text, addSpecialTokens: false), ids)
        if let idsWithSpecial { compare("framed ids", try tokenizer.encode(text), idsWithSpecial) }
        if let decoded {
            // As bytes: Swift compares strings by canonical equivalence.
            compare("text", Array(try tokenizer.decode(decodedIDs).utf8), Array(decoded.utf8))
            compare("streamed text", Array(try stream(decodedIDs, tokenizer).joined().utf8), Array(decoded.utf8))
        }
        if let pair {
            compare("framed pair", try tokenizer.encode(text, pair: pair.text), pair.framed)
            compare("plain pair", try tokenizer.encode(text, pair: pair.text, addSpecialTokens: false), pair.plain)
        }
        return found
    }
}

/// The pieces that a streaming detokenizer gives for some ids.
func stream(_ ids: [Int], _ tokenizer: Tokenizer, skipSpecialTokens: Bool = true) throws -> [String] {
    var detokenizer = tokenizer.makeDetokenizer(skipSpecialTokens: skipSpecialTokens)
    return try ids.map { try detokenizer.push($0) } + [try detokenizer.finish()]
}

let tinyTokenizers = ["bytebpe", "llama3bpe", "spbpe", "unigram", "wordpiece"]

func tinyTokenizer(_ name: String) throws -> Tokenizer {
    try Tokenizer(folder: ReferenceMaterial.fixtures.appendingPathComponent("tokenizers/\(name)").path)
}

func tinyTokenizerBytes(_ name: String) throws -> [UInt8] {
    let url = ReferenceMaterial.fixtures.appendingPathComponent("tokenizers/\(name)/tokenizer.json")
    return Array(try Data(contentsOf: url))
}
