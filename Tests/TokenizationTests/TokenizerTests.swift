import Foundation
import JSONCore
import TestSupport
import Testing
import Tokenization

@Suite struct TokenizerTests {
    @Test func configurationNamesTheSpecialTokens() throws {
        let tokenizer = try tinyTokenizer("unigram")
        #expect(tokenizer.id(for: .beginningOfSequence) == 0)
        #expect(tokenizer.id(for: .endOfSequence) == 2)
        #expect(tokenizer.id(for: .padding) == 1)
        #expect(tokenizer.id(for: .mask) == 4)
        #expect(tokenizer.configuration.maximumLengthInTokens == 128)
        let llama = try tinyTokenizer("llama3bpe")
        #expect(llama.configuration.chatTemplate?.hasPrefix("{% set loop_messages") == true)
        #expect(llama.isSpecial(1))
        #expect(!llama.isSpecial(100))
        #expect(try tinyTokenizer("spbpe").configuration.addsBeginningOfSequence == true)
    }

    @Test func configurationReadsEveryForm() throws {
        var configuration = TokenizerConfiguration()
        let text = #"""
            {"bos_token": {"__type": "AddedToken", "content": "<s>"}, "eos_token": null, "pad_token": "<p>",
             "additional_special_tokens": ["<a>", {"content": "<b>"}], "add_eos_token": false, "model_max_length": 1e30,
             "chat_template": [{"name": "default", "template": "D"}, {"name": "rag", "template": "R"}]}
            """#
        try configuration.merge(try JSONDocument(parsing: text).root)
        #expect(configuration.tokens == [.beginningOfSequence: "<s>", .padding: "<p>"])
        #expect(configuration.additionalSpecialTokens == ["<a>", "<b>"])
        #expect(configuration.addsEndOfSequence == false)
        #expect(configuration.addsBeginningOfSequence == nil)
        #expect(configuration.maximumLengthInTokens == nil)
        #expect(configuration.chatTemplate == "D")
        #expect(configuration.namedChatTemplates == ["rag": "R"])
        #expect(throws: JSONError.self) {
            try configuration.merge(try JSONDocument(parsing: #"{"bos_token": 5}"#).root)
        }
    }

    @Test(arguments: [
        ("{}", true), (#"{"tokenizer_class": "BertTokenizerFast"}"#, true),
        (#"{"tokenizer_class": "PreTrainedTokenizerFast"}"#, true),
        (#"{"tokenizer_class": "TokenizersBackend"}"#, false),
        (#"{"tokenizer_class": "DistilBertTokenizerFast"}"#, false),
        (#"{"model_input_names": ["input_ids", "attention_mask"]}"#, false),
        (#"{"tokenizer_class": "TokenizersBackend", "model_input_names": ["input_ids", "token_type_ids"]}"#, true),
    ])
    func configurationSaysWhetherSegmentsAreGiven(text: String, expected: Bool) throws {
        var configuration = TokenizerConfiguration()
        try configuration.merge(try JSONDocument(parsing: text).root)
        #expect(configuration.givesSegments == expected)
    }

    @Test func specialTextIsPlainTextWhenAskedFor() throws {
        let tokenizer = try tinyTokenizer("bytebpe")
        let text = "a<|endoftext|>b"
        let parsed = try tokenizer.encode(text, addSpecialTokens: false)
        #expect(parsed.contains(2))
        let plain = try tokenizer.encode(text, addSpecialTokens: false, parseSpecialTokens: false)
        #expect(!plain.contains(2))
        #expect(try tokenizer.decode(plain) == text)
        #expect(try tokenizer.decode(parsed) == "ab")
        #expect(try tokenizer.decode(parsed, skipSpecialTokens: false) == text)
    }

    @Test func tokensCompareByteForByte() throws {
        // Canonically equivalent, so equal as Swift strings, but two tokens.
        let vocabulary = try Vocabulary(tokens: ["\u{E9}", "e\u{301}", "?"])
        #expect(vocabulary.count == 3)
        let tokenizer = try Tokenizer(model: .wordLevel(WordLevelModel(vocabulary: vocabulary, unknownToken: "?")))
        #expect(try tokenizer.encode("\u{E9}") == [0])
        #expect(try tokenizer.encode("e\u{301}") == [1])
        #expect(tokenizer.id(for: "e\u{301}") == 1)
        #expect(tokenizer.token(for: 0)?.unicodeScalars.count == 1)
    }

    /// As a GGUF file would have it built: from values, without any JSON.
    @Test func tokenizersAreBuiltFromValues() throws {
        let vocabulary = try Vocabulary(tokens: ["<s>", "h", "e", "l", "o", "he", "ll", "hell", "hello", "Ġ"])
        let model = try BPEModel(
            vocabulary: vocabulary, merges: [("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o")])
        let tokenizer = try Tokenizer(
            model: .bpe(model), preTokenizer: .byteLevel(addsPrefixSpace: false, splitsWords: true),
            postProcessor: .template(single: [.special(ids: [0], typeID: 0), .first(typeID: 0)], pair: []),
            decoder: .byteLevel, addedTokens: [AddedToken(id: 0, content: "<s>")])
        #expect(try tokenizer.encode("hello hell") == [0, 8, 9, 7])
        #expect(try tokenizer.decode([0, 8, 9, 7]) == "hello hell")
        #expect(tokenizer.vocabularySize == 10)
        #expect(throws: TokenizationError.self) { try BPEModel(vocabulary: vocabulary, merges: [("h", "x")]) }
    }

    @Test func oldFormsLoad() throws {
        let text = #"""
            {"model": {"vocab": {"a": 0, "b": 1, "ab": 2, "▁": 3, "▁ab": 4, "▁a": 5}, "merges": ["a b", "▁ ab"]},
             "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "add_prefix_space": true, "str_rep": "▁"}}
            """#
        let tokenizer = try Tokenizer(json: Array(text.utf8))
        #expect(try tokenizer.encode("ab ba") == [4, 3, 1, 0])
        // The same merge twice: the later rank counts.
        let twice = text.replacingOccurrences(of: #"["a b", "▁ ab"]"#, with: #"["a b", "▁ ab", "▁ a", "a b"]"#)
        #expect(try Tokenizer(json: Array(twice.utf8)).encode("ab") == [5, 1])
    }

    /// Long words are worked on in n log n: a quadratic merge of these would take many minutes.
    @Test(arguments: ["bytebpe", "llama3bpe", "spbpe", "unigram", "wordpiece"])
    func longWordsAreNotQuadratic(_ name: String) throws {
        let tokenizer = try tinyTokenizer(name)
        let letters = Array("etaoinshrdlu".utf8)
        var generator = SplitMix64(seed: 3)
        let random = (0..<1_000_000).map { _ in letters.randomElement(using: &generator) ?? 0 }
        let texts = [
            String(decoding: random, as: UTF8.self), String(repeating: "e", count: 1_000_000),
            String(repeating: " ", count: 1_000_000), String(repeating: "e\u{301}", count: 300_000),
            String(repeating: "\u{301}", count: 300_000),
        ]
        for text in texts {
            let elapsed = try ContinuousClock().measure { _ = try tokenizer.encode(text) }
            #expect(elapsed < .seconds(15))
        }
    }

    @Test func manyThreadsShareOneTokenizer() async throws {
        let tokenizer = try tinyTokenizer("llama3bpe")
        let text = String(repeating: "The quick brown fox, 1234 times; ", count: 50)
        let expected = try tokenizer.encode(text)
        let results = try await withThrowingTaskGroup(of: [Int].self) { group in
            for _ in 0..<16 { group.addTask { try tokenizer.encode(text) } }
            return try await group.reduce(into: [[Int]]()) { $0.append($1) }
        }
        #expect(results.count == 16)
        #expect(results.allSatisfy { $0 == expected })
    }
}

extension TokenizerTests {
    /// SentencePiece BPE as GGUF files have it: scores in place of merges.
    @Test func scoresOrderMerges() throws {
        let vocabulary = try Vocabulary(tokens: ["<unk>", "a", "b", "c", "ab", "bc", "abc", "<0x7A>"])
        var options = BPEModel.Options()
        options.unknownToken = "<unk>"
        options.usesByteFallback = true
        func encode(_ scores: [Double], _ text: String) throws -> [Int] {
            let model = try BPEModel(vocabulary: vocabulary, scores: scores, options: options)
            return try Tokenizer(model: .bpe(model)).encode(text)
        }
        #expect(try encode([0, -9, -9, -9, -1, -2, -3, 0], "abc") == [6])
        #expect(try encode([0, -9, -9, -9, -2, -1, -3, 0], "abcabz") == [6, 4, 7])
        #expect(try encode([0, -9, -9, -9, -2, -1, -3, 0], "aabcc") == [1, 6, 3])
        #expect(throws: TokenizationError.self) { try encode([0], "a") }
        #expect(throws: TokenizationError.self) { try encode([0, .nan, 0, 0, 0, 0, 0, 0], "a") }
    }
}
