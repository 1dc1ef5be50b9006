import Foundation
import Inference
import JSONCore
import ModelIO
import TensorCore
import TestSupport
import Testing

/// A model folder with its expected answers.
struct ReferenceModel: Sendable, CustomTestStringConvertible {
    let name: String
    let folder: URL
    /// The largest NMSE that its logits may have.
    let tolerance: Double

    var testDescription: String { name }

    /// The answers of these were computed with rotary frequencies rounded to 16 bits, as `model.to(bfloat16)` and
    /// `model.to(float16)` leave them (docs/numerics.md); ours are exact, which alone makes an NMSE of 8.1e-7 and 1.6e-8.
    private static let tolerances = ["llama3-rope": 1e-6, "qwen3": 2e-8]

    private init(_ name: String, in folder: URL) {
        self.name = name
        self.folder = folder.appendingPathComponent(name)
        tolerance = ReferenceModel.tolerances[name] ?? 1e-9
    }

    private static let folder = ReferenceMaterial.fixtures.appendingPathComponent("models")

    /// Those that travel with the package and have a tokenizer or another number format than FP32.
    static let fixtures = ["gpt2", "llama", "llama3-rope", "qwen2", "qwen3"].map { ReferenceModel($0, in: folder) }

    /// Smaller ones that do (Tools/make_decoder_reference.py), and that GGUF files are made of by the tests' own converter.
    private static let names = ["mistral", "phi3", "gemma2", "gemma3", "gpt-neox", "mixtral", "qwen3-moe"]

    /// Further families, made the same way.
    static let families = [
        "gemma", "smollm3", "olmo2", "olmo3", "granite", "cohere", "cohere-norms", "cohere2", "starcoder2", "falcon",
        "falcon-new", "gptj", "opt", "gpt-bigcode", "phi", "stablelm", "stablelm-norms", "internlm2", "glm4", "exaone4",
        "qwen2-moe", "olmoe", "granite-moe", "granite-moe-shared",
    ].map { ReferenceModel($0, in: folder) }

    /// The first of these, and what the reference material adds to them.
    static let all: [ReferenceModel] = {
        let own = fixtures + names.map { ReferenceModel($0, in: folder) }
        guard let folder = ReferenceMaterial.locate("reference/models", for: "ReferenceModelTests") else { return own }
        return own + names.map { ReferenceModel($0, in: folder) }
    }()

    func package() throws -> ModelPackage { try ModelPackage(path: folder.path) }

    func expected() throws -> Checkpoint {
        try Checkpoint(safetensors: folder.appendingPathComponent("expected.safetensors").path)
    }
}

extension Checkpoint {
    func doubles(_ name: String) throws -> [Double] {
        let tensor = try #require(self[name])
        return try WeightLoader(self).floats(tensor).map(Double.init)
    }

    /// A matrix of integers, row by row.
    func rows(_ name: String) throws -> [[Int]] {
        let tensor = try #require(self[name])
        let values = try #require(tensor.integers())
        let columns = tensor.shape[1]
        return (0..<tensor.shape[0]).map { Array(values[$0 * columns..<($0 + 1) * columns]) }
    }
}

/// All tokens of a request.
func collect(_ stream: AsyncThrowingStream<GenerationUpdate, any Error>) async throws -> (
    tokens: [Int], text: String, result: GenerationResult
) {
    var tokens: [Int] = []
    var text = ""
    var result: GenerationResult?
    for try await update in stream {
        tokens += update.tokens
        text += update.text
        result = update.result ?? result
    }
    return (tokens, text, try #require(result))
}
