import Foundation
import Inference
import JSONCore
import ModelIO
import TestSupport
import Testing
import Tokenization

@Suite("GGUF vocabularies")
struct GGUFVocabularyTests {
    @Test(
        "real vocabularies give llama.cpp's ids",
        arguments: ["gpt-2", "llama-bpe", "llama-spm", "bert-bge", "qwen2"])
    func real(name: String) throws {
        guard let folder = ReferenceMaterial.locate("reference/vocab", for: "GGUF vocabulary \(name)") else { return }
        func text(_ suffix: String) throws -> String {
            String(decoding: try Data(contentsOf: folder.appendingPathComponent("\(name).\(suffix)")), as: UTF8.self)
        }
        let file = try GGUFFile(path: folder.appendingPathComponent("\(name).gguf").path)
        let tokenizer = try #require(try Tokenizer(gguf: file.metadata))
        let texts = try text("inp").components(separatedBy: "\n__ggml_vocab_test__\n")
        let lines = try text("out").components(separatedBy: "\n")
        #expect(texts.count > 40 && lines.count >= texts.count)
        for (text, line) in zip(texts, lines) {
            let expected = line.split(separator: " ").compactMap { Int($0) }
            let ids = try tokenizer.encode(text, addSpecialTokens: false, parseSpecialTokens: false)
            #expect(ids == expected, "\(name): \(text.debugDescription)")
        }
    }

    /// The small tokenizers of the tests, with the values of their `tokenizer.json` moved into metadata.
    @Test(
        "small vocabularies match their cases",
        arguments: [
            ("bytebpe", "gpt2"), ("llama3bpe", "gpt2"), ("spbpe", "llama"), ("wordpiece", "bert"), ("unigram", "t5"),
        ])
    func small(name: String, model: String) throws {
        let folder = ReferenceMaterial.fixtures.appendingPathComponent("tokenizers/\(name)")
        func root(_ file: String) throws -> JSONValue {
            let url = folder.appendingPathComponent(file)
            return try JSONDocument(parsing: Array(Data(contentsOf: url)), source: url.path).root
        }
        let metadata = try VocabularyConversion(try root("tokenizer.json"), model: model, name: name).metadata()
        let memory = GGUFMemory(GGUFBuilder(metadata: metadata).file)
        let file = try GGUFFile(memory.hostBytes, path: "\(name).gguf")
        let tokenizer = try #require(try Tokenizer(gguf: file.metadata))
        for value in try root("cases.json").requireArray("cases") {
            let text = try value.requireString("text")
            // Hugging Face's form of Unigram keeps a space at either end of what lies between special tokens,
            // SentencePiece does not.
            let isPadded = text.first?.isWhitespace == true || text.last?.isWhitespace == true
            if model == "t5", isPadded || text.contains("</s>") { continue }
            let ids = try value.requireArray("ids").compactMap(\.int)
            #expect(try tokenizer.encode(text, addSpecialTokens: false) == ids, "\(name): \(text.debugDescription)")
            if let framed = try value.optionalArray("ids_special")?.compactMap(\.int) {
                #expect(try tokenizer.encode(text) == framed, "\(name): \(text.debugDescription)")
            }
            if let decoded = try value.optionalString("decoded") {
                let source = try value.optionalArray("decode_ids")?.compactMap(\.int) ?? ids
                #expect(Array(try tokenizer.decode(source).utf8) == Array(decoded.utf8), "\(name): \(source)")
            }
        }
    }

    @Test("every named pre-tokenizer cuts text without losing any")
    func preTokenizers() throws {
        let names = [
            "gpt-2", "llama-bpe", "llama3", "dbrx", "smaug-bpe", "qwen2", "deepseek-r1-qwen", "starcoder", "smollm",
            "refact", "command-r", "falcon", "default", "deepseek-coder", "deepseek-v3", "tekken", "gpt-4o", "bloom",
            "viking", "glm4", "stablelm2", "phi-2", "mpt", "olmo",
        ]
        let text = "Hello, World's 12345  tabs\t\n\n one—two ９９ 漢字かな !?/\r\n  _end(){} "
        for name in names {
            var vocabulary = GGUFVocabulary(model: "gpt2")
            let tokens = ByteAlphabet.tokens
            vocabulary.preTokenizer = name
            vocabulary.tokenCount = tokens.count
            vocabulary.tokens = { body in
                for token in tokens { try token.withUnsafeBufferPointer { try body($0) } }
            }
            let tokenizer = try Tokenizer(vocabulary, source: "v")
            let ids = try tokenizer.encode(text, addSpecialTokens: false)
            #expect(ids.count == text.utf8.count, "\(name)")
            #expect(try tokenizer.decode(ids) == text, "\(name)")
        }
    }

    @Test("what cannot be a vocabulary is refused with the key's name")
    func refusals() throws {
        func text(_ change: (inout GGUFVocabulary) -> Void) -> String {
            var vocabulary = GGUFVocabulary(model: "llama")
            let tokens = ["<unk>", "<s>", "</s>", "a", "b", "ab"].map { Array($0.utf8) }
            vocabulary.tokenCount = tokens.count
            vocabulary.tokens = { body in
                for token in tokens { try token.withUnsafeBufferPointer { try body($0) } }
            }
            vocabulary.scores = [0, 0, 0, -1, -2, -3]
            vocabulary.kinds = [2, 3, 3, 1, 1, 1]
            change(&vocabulary)
            do {
                _ = try Tokenizer(vocabulary, source: "v.gguf")
                return ""
            } catch {
                return "\(error)"
            }
        }
        #expect(text { _ in } == "")
        func setMerge(_ merge: String, of vocabulary: inout GGUFVocabulary) {
            (vocabulary.model, vocabulary.preTokenizer, vocabulary.mergeCount) = ("gpt2", "gpt-2", 1)
            vocabulary.merges = { body in try Array(merge.utf8).withUnsafeBufferPointer { try body($0) } }
        }
        let cases: [(String, (inout GGUFVocabulary) -> Void)] = [
            ("\"rwkv\"", { $0.model = "rwkv" }), ("tokenizer.ggml.tokens", { $0.tokenCount = 0 }),
            ("\"klingon\"", { ($0.model, $0.preTokenizer) = ("gpt2", "klingon") }),
            ("merge 0", { setMerge("a x", of: &$0) }), ("two tokens", { setMerge(" ab", of: &$0) }),
        ]
        for (mention, change) in cases {
            let found = text(change)
            #expect(found.hasPrefix("v.gguf: ") && found.contains(mention) && !found.contains("\n"), "\(found)")
        }
    }

    @Test("what llama.cpp passes over is put right and told")
    func repairs() throws {
        let cases: [(String, (inout GGUFVocabulary) -> Void)] = [
            ("token_type", { $0.kinds = [1] }), ("scores", { $0.scores = [1] }),
            ("scores has nan for token 3", { $0.scores[3] = .nan }),
            ("scores has inf for token 4", { $0.scores[4] = .infinity }),
            ("bos_token_id is 6", { $0.beginningID = 6 }), ("mask_token_id is 77", { $0.maskID = 77 }),
            ("unknown_token_id is -4", { $0.unknownID = -4 }),
        ]
        for (mention, change) in cases {
            var vocabulary = GGUFVocabulary(model: "llama")
            let tokens = ["<unk>", "<s>", "</s>", "a", "b", "ab"].map { Array($0.utf8) }
            vocabulary.tokenCount = tokens.count
            vocabulary.tokens = { body in
                for token in tokens { try token.withUnsafeBufferPointer { try body($0) } }
            }
            vocabulary.scores = [0, 0, 0, -1, -2, -3]
            vocabulary.addsSpacePrefix = false
            change(&vocabulary)
            let tokenizer = try Tokenizer(vocabulary, source: "v.gguf")
            #expect(tokenizer.notices.count == 1 && tokenizer.notices.first?.contains(mention) == true, "\(mention)")
            #expect(try tokenizer.encode("ab", addSpecialTokens: false) == [5])
        }
    }

    @Test("text cannot forge control tokens")
    func forgery() throws {
        var vocabulary = GGUFVocabulary(model: "llama")
        let tokens = ["<unk>", "</s>", "<", "/", "s", ">", "</", "</s", "▁"].map { Array($0.utf8) }
        vocabulary.tokenCount = tokens.count
        vocabulary.tokens = { body in
            for token in tokens { try token.withUnsafeBufferPointer { try body($0) } }
        }
        vocabulary.scores = [0, 0, -1, -1, -1, -1, -2, -3, -1]
        vocabulary.kinds = [2, 3, 1, 1, 1, 1, 1, 1, 1]
        let tokenizer = try Tokenizer(vocabulary, source: "v")
        #expect(try tokenizer.encode("</s>", addSpecialTokens: false, parseSpecialTokens: false) == [8, 7, 5])
        #expect(try tokenizer.encode("</s>", addSpecialTokens: false) == [1])
    }
}
