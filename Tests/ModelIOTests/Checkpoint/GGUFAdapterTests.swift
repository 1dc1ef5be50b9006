import Foundation
import ModelIO
import TensorCore
import TestSupport
import Testing

/// Adapters in GGUF files, as llama.cpp's `convert_lora_to_gguf.py` writes them.
struct GGUFAdapterTests {
    private let tokens = 5, width = 3, rank = 2
    private let weight: [Float] = (0..<15).map { Float($0 % 4) - 1.25 }

    /// The base's tensors with an adapter merged into them.
    private func merge(_ adapter: [GGUFBuilder.Tensor], into base: [String: Shape]) throws -> [String: [Float]] {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var writer = SafetensorsWriter()
        for (name, shape) in base { writer.add(name, weight, shape: shape) }
        try writer.write(to: folder.appendingPathComponent("base.safetensors").path)
        var file = GGUFBuilder()
        file.metadata = [
            ("general.architecture", .string("qwen2")), ("general.type", .string("adapter")),
            ("adapter.type", .string("lora")), ("adapter.lora.alpha", .float32(4)),
        ]
        file.tensors = adapter
        let path = folder.appendingPathComponent("adapter.gguf").path
        try Data(file.file).write(to: URL(fileURLWithPath: path))
        let checkpoint = try Checkpoint(safetensors: folder.appendingPathComponent("base.safetensors").path)
        let merged = try LoRAAdapter(path: path).merged(into: checkpoint, scale: 1)
        return try merged.tensors.mapValues { try WeightLoader(merged).floats($0) }
    }

    /// llama.cpp looks rows of `A` up by tokens, so that it lies `[V, r]`; `B` is `[D, r]`.
    @Test func embeddingsAreAdapted() throws {
        let down: [Float] = (0..<10).map { Float($0 % 3) * 0.5 - 0.25 }
        let up: [Float] = (0..<6).map { Float($0 % 4) * 0.25 - 0.5 }
        let merged = try merge(
            [
                GGUFBuilder.Tensor("token_embd.weight.lora_a", [UInt64(rank), UInt64(tokens)], down),
                GGUFBuilder.Tensor("token_embd.weight.lora_b", [UInt64(rank), UInt64(width)], up),
            ], into: ["model.embed_tokens.weight": [tokens, width]])
        var expected = weight
        for token in 0..<tokens {
            for column in 0..<width {
                for index in 0..<rank {
                    let product: Float = down[token * rank + index] * up[column * rank + index]
                    expected[token * width + column] += 4 / Float(rank) * product
                }
            }
        }
        let own = try #require(merged["model.embed_tokens.weight"])
        #expect(zip(own, expected).allSatisfy { abs($0 - $1) < 1e-6 } && own.count == expected.count)
        // A head that is the embedding over again stays what it was, as where peft's folder is merged.
        #expect(merged["lm_head.weight"] == weight)
    }
}
