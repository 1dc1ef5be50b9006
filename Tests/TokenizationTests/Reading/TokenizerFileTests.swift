import Foundation
import TestSupport
import Testing
import Tokenization

/// Tokenizers of folders without a `tokenizer.json`, as transformers 5.24 makes them. `Tools/make_tokenizer_file_cases.py`
/// trains the SentencePiece models and makes the cases.
@Suite struct TokenizerFileTests {
    static let folder = ReferenceMaterial.fixtures.appendingPathComponent("tokenizer-files")

    static func cases() throws -> [[String: Any]] {
        let data = try Data(contentsOf: folder.appendingPathComponent("cases.json"))
        return try #require(JSONSerialization.jsonObject(with: data) as? [[String: Any]])
    }

    /// The files of a case in a folder of their own.
    private static func write(_ row: [String: Any], to url: URL) throws {
        if let model = row["model"] as? String {
            let name = try #require(row["file"] as? String)
            try Data(contentsOf: folder.appendingPathComponent("\(model).model"))
                .write(to: url.appendingPathComponent(name))
        } else {
            let name = try #require(row["tokenizer"] as? String)
            let parsed = try JSONSerialization.jsonObject(with: Data(tinyTokenizerBytes(name)))
            let model = try #require((parsed as? [String: Any])?["model"] as? [String: Any])
            var vocabulary = try #require(model["vocab"] as? [String: Int])
            if name == "wordpiece" {
                let tokens = vocabulary.sorted { $0.value < $1.value }.map(\.key)
                try Data((tokens.joined(separator: "\n") + "\n").utf8).write(
                    to: url.appendingPathComponent("vocab.txt"))
            } else {
                for token in row["extra"] as? [String] ?? [] { vocabulary[token] = vocabulary.count }
                try JSONSerialization.data(withJSONObject: vocabulary).write(
                    to: url.appendingPathComponent("vocab.json"))
                let merges = try #require(model["merges"] as? [Any]).map {
                    ($0 as? [String])?.joined(separator: " ") ?? $0 as? String ?? ""
                }
                try Data(("#version: 0.2\n" + merges.joined(separator: "\n") + "\n").utf8)
                    .write(to: url.appendingPathComponent("merges.txt"))
            }
        }
        try JSONSerialization.data(withJSONObject: ["model_type": row["model_type"]])
            .write(to: url.appendingPathComponent("config.json"))
        if let configuration = row["config"] as? [String: Any] {
            try JSONSerialization.data(withJSONObject: configuration)
                .write(to: url.appendingPathComponent("tokenizer_config.json"))
        }
    }

    @Test func answersAreThoseOfTheReference() throws {
        let cases = try Self.cases()
        #expect(cases.count >= 40)
        for row in cases {
            let name = try #require(row["name"] as? String)
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("infer-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            try Self.write(row, to: folder)
            let tokenizer = try Tokenizer(folder: folder.path)
            #expect(tokenizer.id(for: .endOfSequence) == row["eos"] as? Int, "\(name)")
            #expect(tokenizer.id(for: .beginningOfSequence) == row["bos"] as? Int, "\(name)")
            #expect(try tokenizer.encode("the water", pair: "a time").ids == row["pair"] as? [Int], "\(name)")
            for answer in try #require(row["rows"] as? [[String: Any]]) {
                let text = try #require(answer["text"] as? String)
                let ids = try tokenizer.encode(text)
                #expect(ids == answer["ids"] as? [Int], "\(name): \(text.debugDescription)")
                #expect(try tokenizer.encode(text, addSpecialTokens: false) == answer["plain"] as? [Int], "\(name)")
                let decoded = try tokenizer.decode(ids)
                #expect(
                    Array(decoded.utf8) == (answer["decoded"] as? String).map { Array($0.utf8) }, "\(name): \(text)")
                let whole = try tokenizer.decode(ids, skipSpecialTokens: false)
                #expect(Array(whole.utf8) == (answer["whole"] as? String).map { Array($0.utf8) }, "\(name): \(text)")
            }
        }
    }

    @Test(arguments: ["", "\u{1}", "{}", "not a model at all"])
    func whatIsNoSentencePieceModelIsSaid(_ content: String) throws {
        do {
            _ = try Tokenizer(sentencePieceModel: Array(content.utf8), tokenizerClass: nil, source: "t.model")
            Issue.record("a tokenizer of \(content.debugDescription)")
        } catch let error as TokenizationError {
            #expect(error.description.hasPrefix("t.model: SentencePiece model: "), "\(error)")
        }
    }

    /// `INFER_FUZZ_RUNS` sets how many mutations are tried.
    @Test func mutatedSentencePieceModelsNeverTrap() throws {
        let runs = ProcessInfo.processInfo.environment["INFER_FUZZ_RUNS"].flatMap { Int($0) } ?? 400
        let seeds = try ["bpe-user", "unigram", "unigram-albert"].map {
            try Array(Data(contentsOf: Self.folder.appendingPathComponent("\($0).model")))
        }
        let classes = [
            nil, "LlamaTokenizer", "T5Tokenizer", "XLMRobertaTokenizer", "PegasusTokenizer", "AlbertTokenizer",
        ]
        var generator = SplitMix64(seed: 23)
        var loaded = 0
        for run in 0..<runs {
            let bytes = generator.mutate(seeds[run % seeds.count])
            do {
                let tokenizer = try Tokenizer(
                    sentencePieceModel: bytes, tokenizerClass: classes[run / seeds.count % classes.count], source: "m")
                loaded += 1
                _ = try? tokenizer.decode(tokenizer.encode("The 12 naïve 日本 🦙 <x> the t\n  wat"))
            } catch let error as TokenizationError {
                #expect(error.description.hasPrefix("m: "), "\(error)")
            }
        }
        #expect(loaded > runs / 20 && loaded < runs)
    }
}
