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

    /// Those that travel with the package.
    ///
    /// llama3-rope's answers were computed with rotary frequencies rounded to bfloat16, as `model.to(bfloat16)` leaves
    /// them (docs/numerics.md); ours are exact, which alone makes an NMSE of 8.1e-7.
    static let fixtures: [ReferenceModel] = ["gpt2", "llama", "llama3-rope", "qwen2"].map {
        ReferenceModel(
            name: $0, folder: ReferenceMaterial.fixtures.appendingPathComponent("models/\($0)"),
            tolerance: $0 == "llama3-rope" ? 1e-6 : 1e-9)
    }

    /// Those, and what the reference material adds for the architectures that are built.
    static let all: [ReferenceModel] = {
        guard let folder = ReferenceMaterial.locate("reference/models", for: "ReferenceModelTests") else {
            return fixtures
        }
        return fixtures
            + ["mistral"].map {
                ReferenceModel(name: $0, folder: folder.appendingPathComponent($0), tolerance: 1e-9)
            }
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
        if let token = update.token { tokens.append(token) }
        text += update.text
        result = update.result ?? result
    }
    return (tokens, text, try #require(result))
}
