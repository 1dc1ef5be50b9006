import Foundation
import Inference
import JSONCore
import ModelIO
import Models
import TensorCore
import TestSupport
import Testing
import Tokenization

@Suite("Conversion to GGUF")
struct ModelConversionTests {
    private func converted(_ path: String, _ type: QuantizationType) throws -> (path: String, notices: [String]) {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).gguf")
        let input = try QuantizationInput(path: path)
        try ModelQuantizer(input, type: type).write(to: file.path)
        return (file.path, input.notices)
    }

    private func error(_ package: ModelPackage, _ expected: Checkpoint, on device: InferenceDevice) throws -> Double {
        let rows = try expected.rows("input_ids")
        let pass = try ForwardPass(
            package, on: device.make(), contextLength: rows[0].count, options: EngineOptions(precision: .highest))
        let logits = try rows.flatMap { try pass.logits(for: $0) }
        return normalizedMeanSquaredError(logits, try expected.doubles("logits"))
    }

    /// Those whose every key GGUF files have. Mistral's window and StableLM's norms of heads have none, and GPT-J and OPT no
    /// architecture.
    private static let models = (ReferenceModel.all + ReferenceModel.families).filter {
        !["mistral", "stablelm-norms", "gptj", "opt"].contains($0.name)
    }

    @Test("folders written as GGUF answer the same", arguments: Self.models)
    func folders(model: ReferenceModel) throws {
        let (path, _) = try converted(model.folder.path, .f32)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let package = try ModelPackage(path: path)
        for device in InferenceDevice.fast {
            let error = try error(package, try model.expected(), on: device)
            #expect(error <= model.tolerance, "\(model.name) on \(device.name): NMSE \(error)")
        }
        let original = try model.package()
        #expect(try package.describe().maxContextLength == original.describe().maxContextLength)
        #expect(try package.describe().vocabularySize == original.describe().vocabularySize)
        // Special tokens belong to the tokenizer's keys, which a folder without one does not give.
        guard original.tokenizer != nil else { return }
        #expect(package.generation.bosTokenID == original.generation.bosTokenID)
        #expect(package.generation.eosTokenIDs == original.generation.eosTokenIDs)
        #expect(package.tokenizer?.configuration.chatTemplate == original.tokenizer?.configuration.chatTemplate)
        for text in ["Once upon a time, there was", "", "Grüße  \n 12345 don't <s> 你好"] {
            #expect(try package.promptTokens(for: text) == original.promptTokens(for: text), "'\(text)'")
        }
    }

    @Test(
        "tokenizers keep their ids",
        arguments: ["bytebpe", "llama3bpe", "wordpiece", "unigram", "real-gpt2", "real-llama3", "real-qwen2"])
    func tokenizers(name: String) throws {
        let isReal = name.hasPrefix("real-")
        guard
            let folder = isReal
                ? ReferenceMaterial.locate("reference/tokenizers/\(name)", for: "tokenizers as GGUF")
                : ReferenceMaterial.fixtures.appendingPathComponent("tokenizers/\(name)")
        else { return }
        let file = folder.appendingPathComponent("tokenizer.json")
        let bytes = [UInt8](try Data(contentsOf: file))
        let original = try Tokenizer(json: bytes)
        let export = GGUFTokenizerExport(
            root: try JSONDocument(parsing: bytes).root, tokenizer: original, path: file.path,
            rowCount: original.vocabularySize + 3, generation: GenerationConfiguration())
        var writer = GGUFWriter()
        for (key, value) in try #require(try export.entries()) { writer.set(key, value) }
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).gguf").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try writer.write(to: path) { _, _ in }
        let copy = try #require(try Tokenizer(gguf: GGUFFile(path: path).metadata))
        #expect(copy.vocabularySize == original.vocabularySize + 3)
        let cases = try JSONDocument(
            parsing: [UInt8](Data(contentsOf: folder.appendingPathComponent("cases.json"))), source: "cases.json"
        ).root.requireArray("cases")
        #expect(cases.count > 20)
        for value in cases {
            let text = try value.requireString("text")
            // SentencePiece's form of Unigram drops a space at either end of what lies between special tokens.
            let isPadded = text.first?.isWhitespace == true || text.last?.isWhitespace == true
            if name == "unigram", isPadded || text.contains("</s>") { continue }
            #expect(try copy.encode(text) == original.encode(text), "'\(text)'")
        }
    }

    @Test("our files are no farther from the original than llama.cpp's")
    func referenceErrors() throws {
        guard let folder = ReferenceMaterial.locate("reference/gguf", for: "errors of quantised models") else { return }
        func expected(_ type: String) throws -> Checkpoint {
            try Checkpoint(safetensors: folder.appendingPathComponent("tiny-\(type).expected.safetensors").path)
        }
        let source = try expected("f32")
        let answers = try source.doubles("logits")
        let device = try #require(InferenceDevice.all.first)
        for type in QuantizationType.allCases where type != .f32 {
            guard let theirs = try? expected(type.rawValue) else { continue }
            let (path, _) = try converted(folder.appendingPathComponent("tiny-f32.gguf").path, type)
            defer { try? FileManager.default.removeItem(atPath: path) }
            let ours = try error(try ModelPackage(path: path), source, on: device)
            let reference = normalizedMeanSquaredError(try theirs.doubles("logits").map(Float.init), answers)
            #expect(ours <= 1.1 * reference, "\(type.rawValue): NMSE \(ours), llama.cpp's \(reference)")
            print("tiny model as \(type.rawValue): NMSE \(ours), by llama.cpp's quantiser \(reference)")
        }
    }

    @Test("what GGUF cannot say is told")
    func notices() throws {
        guard let folder = ReferenceMaterial.locate("reference/models/mistral", for: "notices of conversion") else {
            return
        }
        let (path, notices) = try converted(folder.path, .q8_0)
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(notices.contains { $0.contains("sliding window of 24 tokens") })
        #expect(notices.contains { $0.contains("no tokenizer") })
        #expect(try ModelPackage(path: path).tokenizer == nil)
    }
}
