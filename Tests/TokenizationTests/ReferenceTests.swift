import Foundation
import JSONCore
import TestSupport
import Testing
import Tokenization

@Suite struct ReferenceTests {
    @Test(arguments: tinyTokenizers) func tinyTokenizersMatchTheirCases(_ name: String) throws {
        let folder = ReferenceMaterial.fixtures.appendingPathComponent("tokenizers/\(name)")
        let tokenizer = try tinyTokenizer(name)
        let cases = try TokenizerCase.load(folder.appendingPathComponent("cases.json"))
        #expect(cases.count >= 30)
        for testCase in cases { #expect(try testCase.differences(tokenizer) == []) }
    }

    /// Every component by itself, as `tokenizers` 0.23.3 computed it on odd texts.
    @Test func componentsMatchTheReferenceLibrary() throws {
        let url = ReferenceMaterial.fixtures.appendingPathComponent("tokenizers/components.json")
        let root = try JSONDocument(parsing: Array(try Data(contentsOf: url)), source: url.path).root
        let models = try root.requireArray("models").map { try $0.requireString() }
        var count = 0
        for component in try root.requireArray("components") {
            let name = try component.requireString("name")
            let parts = try component.requireString("tokenizer")
            let model = models[try component.requireInt("model")]
            let json = "\(parts.dropLast()),\"model\":\(model)}"
            let tokenizer = try Tokenizer(json: Array(json.utf8), source: name)
            for testCase in try component.requireArray("cases") {
                let differences = try TokenizerCase(testCase).differences(tokenizer)
                #expect(differences == [], "\(name)")
                count += 1
            }
        }
        #expect(count > 600)
    }

    @Test(arguments: ["gpt2", "llama3", "qwen2"]) func realVocabulariesMatchTheirCases(_ name: String) throws {
        guard let folder = ReferenceMaterial.locate("reference/tokenizers/real-\(name)", for: "\(name) tokenizer cases")
        else { return }
        let tokenizer = try Tokenizer(folder: folder.path)
        for testCase in try TokenizerCase.load(folder.appendingPathComponent("cases.json")) {
            #expect(try testCase.differences(tokenizer) == [])
        }
        // Byte-level tokenizers lose nothing (but what NFC changes, and this text has no such character).
        guard let text = ReferenceMaterial.locate("data/tinyshakespeare.txt", for: "\(name) round trip") else { return }
        let shakespeare = String(decoding: try Data(contentsOf: text), as: UTF8.self)
        let ids = try tokenizer.encode(shakespeare, addSpecialTokens: false)
        #expect(try tokenizer.decode(ids) == shakespeare)
    }

    @Test func modelFoldersLoad() throws {
        guard let models = ReferenceMaterial.locate("reference/models", for: "tokenizers of the model folders"),
            let bard = ReferenceMaterial.locate("models/bard", for: "tokenizer of the bundled model")
        else { return }
        let folders = try FileManager.default.contentsOfDirectory(at: models, includingPropertiesForKeys: nil) + [bard]
        var count = 0
        for folder in folders {
            guard FileManager.default.fileExists(atPath: folder.appendingPathComponent("tokenizer.json").path) else {
                continue
            }
            let tokenizer = try Tokenizer(folder: folder.path)
            let ids = try tokenizer.encode("the king is here", addSpecialTokens: false)
            #expect(ids.allSatisfy { $0 < tokenizer.vocabularySize }, "\(folder.path)")
            #expect(try tokenizer.decode(ids) == "the king is here", "\(folder.path)")
            count += 1
        }
        #expect(count >= 10)
    }

    /// Llama 3's file within the reference library's time. Load and encode are medians of three.
    @Test func realVocabularyIsFast() throws {
        guard let file = ReferenceMaterial.locate("reference/tokenizers/real-llama3/tokenizer.json", for: "speed"),
            let text = ReferenceMaterial.locate("data/wiki.test.raw", for: "speed")
        else { return }
        let wiki = String(decoding: try Data(contentsOf: text).prefix(1_000_000), as: UTF8.self)
        func median(_ body: () throws -> Void) rethrows -> Duration {
            let times = try (0..<3).map { _ in try ContinuousClock().measure { try body() } }
            return times.sorted()[1]
        }
        let bytes = Array(try Data(contentsOf: file))
        let load = try median { _ = try Tokenizer(json: bytes) }
        let tokenizer = try Tokenizer(json: bytes)
        var tokenCount = 0
        let encode = try median { tokenCount = try tokenizer.encode(wiki, addSpecialTokens: false).count }
        #expect(tokenCount == 223_832)
        print("Llama 3 tokenizer: load \(load), encode 1 MB \(encode)")
        // Far above what an idle machine needs, because other tests run beside: only a change in kind fails.
        #expect(load < .seconds(6))
        #expect(encode < .seconds(4))
    }
}
