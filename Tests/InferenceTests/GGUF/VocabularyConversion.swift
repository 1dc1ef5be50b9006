import Foundation
import JSONCore
import TensorCore
import TestSupport

/// Writes a `tokenizer.json` as the metadata of a GGUF file, as llama.cpp's converters do.
struct VocabularyConversion {
    let root: JSONValue
    /// `tokenizer.ggml.model`.
    let model: String
    let name: String

    init(_ root: JSONValue, model: String, name: String) {
        self.root = root
        self.model = model
        self.name = name
    }

    func metadata() throws -> [(String, GGUFBuilder.Value)] {
        let part = try root.require("model")
        var (tokens, scores) = try tokensAndScores(part)
        var kinds = [Int32](repeating: 1, count: tokens.count)
        var ids: [String: Int] = [:]
        for added in try root.requireArray("added_tokens") {
            let id = try added.requireInt("id")
            ids[try added.requireString("content")] = id
            kinds[id] = added["special"]?.bool == true ? 3 : 4
        }
        for (id, token) in tokens.enumerated() where token.hasPrefix("<0x") && token.count == 6 { kinds[id] = 6 }
        if model == "bert" {
            tokens = tokens.map { token in
                if token.hasPrefix("##") { return String(token.dropFirst(2)) }
                return token.hasPrefix("[") && token.hasSuffix("]") ? token : "\u{2581}" + token
            }
        }
        var pairs: [(String, GGUFBuilder.Value)] = [
            ("tokenizer.ggml.model", .string(model)), ("tokenizer.ggml.tokens", .strings(tokens)),
            ("tokenizer.ggml.token_type", .int32s(kinds)),
        ]
        if !scores.isEmpty { pairs.append(("tokenizer.ggml.scores", .floats(scores))) }
        if model == "gpt2" {
            pairs += [
                ("tokenizer.ggml.pre", .string(name == "llama3bpe" ? "llama-bpe" : "gpt-2")),
                ("tokenizer.ggml.merges", .strings(try merges(part).map { "\($0.0) \($0.1)" })),
            ]
        }
        let roles = [
            ("bos", ["<s>", "<|begin_of_text|>", "[CLS]"]), ("eos", ["</s>", "[SEP]"]),
            ("unknown", ["<unk>", "[UNK]"]), ("seperator", ["[SEP]"]), ("cls", ["[CLS]"]),
            ("padding", ["<pad>", "[PAD]"]),
        ]
        for (role, spellings) in roles {
            guard let id = spellings.compactMap({ ids[$0] }).first else { continue }
            pairs.append(("tokenizer.ggml.\(role)_token_id", .uint32(UInt32(id))))
        }
        if model == "t5" {
            pairs += [
                ("tokenizer.ggml.add_bos_token", .bool(1)), ("tokenizer.ggml.remove_extra_whitespaces", .bool(1)),
                ("tokenizer.ggml.precompiled_charsmap", try map()),
            ]
        }
        return pairs
    }

    private func map() throws -> GGUFBuilder.Value {
        let parts = try root.require("normalizer").requireArray("normalizers")
        let encoded = parts.compactMap { $0["precompiled_charsmap"]?.string }.first ?? ""
        return .bytes([UInt8](Data(base64Encoded: encoded) ?? Data()))
    }

    private func tokensAndScores(_ part: JSONValue) throws -> (tokens: [String], scores: [Float]) {
        if model == "t5" {
            let entries = try part.requireArray("vocab").map { Array(try $0.requireArray()) }
            return (try entries.map { try $0[0].requireString() }, try entries.map { Float(try $0[1].requireDouble()) })
        }
        var byID: [Int: String] = [:]
        for (token, id) in try part.require("vocab").requireObject() { byID[try id.requireInt()] = token }
        let tokens = (0..<byID.count).map { byID[$0] ?? "" }
        guard model == "llama" else { return (tokens, []) }
        // SentencePiece's scores fall with the rank of the merge that makes a token.
        var scores = [String: Float]()
        for (rank, merge) in try merges(part).enumerated() { scores[merge.0 + merge.1] = -Float(rank) }
        return (tokens, tokens.map { scores[$0] ?? -1e9 })
    }

    private func merges(_ part: JSONValue) throws -> [(String, String)] {
        try part.requireArray("merges").map { merge in
            if let text = merge.string {
                let halves = text.split(separator: " ").map(String.init)
                return (halves[0], halves[1])
            }
            let pair = Array(try merge.requireArray())
            return (try pair[0].requireString(), try pair[1].requireString())
        }
    }
}

/// The tokens of a byte-level vocabulary without merges.
enum ByteAlphabet {
    static let tokens: [[UInt8]] = {
        var next = 256
        return (0..<256).map { byte in
            let isPlain = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte)
            var scalar = byte
            if !isPlain {
                scalar = next
                next += 1
            }
            return Array(String(Unicode.Scalar(UInt32(scalar)) ?? " ").utf8)
        }
    }()
}

/// The bytes of a file in memory.
struct GGUFMemory {
    let hostBytes: HostBytes

    init(_ bytes: [UInt8]) {
        let memory = HostAllocation(byteCount: bytes.count)
        memory.pointer.copyBytes(from: bytes)
        hostBytes = memory.bytes
    }
}
