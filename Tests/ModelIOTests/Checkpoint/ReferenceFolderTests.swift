import Foundation
import ModelIO
import TensorCore
import TestSupport
import Testing

@Suite struct ReferenceFolderTests {
    private func location(_ name: String) throws -> ModelLocation {
        try ModelLocation(ReferenceMaterial.fixtures.appendingPathComponent("models/\(name)").path)
    }

    @Test func gpt2LoadsTransposedAndWithoutPrefix() throws {
        let location = try location("gpt2")
        let configuration = try ModelConfiguration(location)
        #expect(configuration.modelType == "gpt2")
        #expect(configuration.architectures == ["GPT2LMHeadModel"])
        #expect(try configuration.declaredType() == .float32)
        #expect(try configuration.tiesWordEmbeddings())
        let geometry = try configuration.attentionGeometry()
        #expect(geometry.hiddenSize == 64)
        #expect(geometry.headCount == 4 && geometry.keyValueHeadCount == 4 && geometry.headSize == 16)
        #expect(try configuration.keys.optionalSize("n_inner") == nil)

        let loader = WeightLoader(try location.openCheckpoint(), prefixes: ["transformer.", ""])
        let name = "h.0.attn.c_attn.weight"
        let weight = try loader.weight(name, rows: 192, columns: 64, transposed: true)
        #expect(weight.format == .float32 && weight.rows == 192 && weight.columns == 64)
        #expect(weight.name == "transformer.h.0.attn.c_attn.weight")
        let stored = try loader.floats(loader.tensor(name, shape: [64, 192]))
        let rows = elements(weight.parts[0].bytes, Float.self)
        for row in 0..<192 {
            for column in 0..<64 { #expect(rows[row * 64 + column] == stored[column * 192 + row]) }
        }
        #expect(try loader.vector("ln_f.bias", count: 64).count == 64)
    }

    @Test func llamaPartsAreNotCopied() throws {
        let location = try location("llama")
        let configuration = try ModelConfiguration(location)
        #expect(try configuration.attentionGeometry().keyValueHeadCount == 2)
        #expect(try configuration.tiesWordEmbeddings() == false)
        #expect(try configuration.slidingWindow() == nil)
        let loader = WeightLoader(try location.openCheckpoint(), prefixes: ["model.", ""])
        let parts = ["q", "k", "v"].map { (name: "layers.0.self_attn.\($0)_proj.weight", rows: $0 == "q" ? 64 : 32) }
        let weight = try loader.weight(parts, columns: 64)
        #expect(weight.parts.map(\.rows) == [64, 32, 32])
        #expect(weight.parts.allSatisfy { $0.bytes.owner is MappedFile })
        #expect(loader.contains("lm_head.weight"))
        #expect(!loader.contains("layers.9.self_attn.q_proj.weight"))
    }

    @Test func llama3RopeIsBFloat16AndConverts() throws {
        let location = try location("llama3-rope")
        let configuration = try ModelConfiguration(location)
        #expect(try configuration.declaredType() == .bfloat16)
        let rope = try configuration.rope(headSize: 16)
        #expect(rope.base == 500_000)
        #expect(
            rope.scaling
                == .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 64))
        let loader = WeightLoader(try location.openCheckpoint())
        let name = "lm_head.weight"
        let kept = try loader.weight(name, rows: 384, columns: 64)
        #expect(kept.format == .bfloat16 && kept.parts[0].bytes.owner is MappedFile)
        let values = try loader.floats(loader.tensor(name, shape: [384, 64]))
        let widened = try loader.weight(name, rows: 384, columns: 64, as: .float32)
        #expect((elements(widened.parts[0].bytes, Float.self) == values) as Bool)
        let quantised = try loader.weight(name, rows: 384, columns: 64, as: .int8)
        let scales = elements(try #require(quantised.parts[0].scales), Float.self)
        let integers = elements(quantised.parts[0].bytes, Int8.self)
        for row in 0..<384 {
            let largest = values[row * 64..<row * 64 + 64].map(abs).max() ?? 0
            #expect(scales[row] == largest / 127)
            for column in 0..<64 {
                let expected = (values[row * 64 + column] / scales[row]).rounded(.toNearestOrEven)
                #expect(Float(integers[row * 64 + column]) == expected)
            }
        }
    }

    @Test func shardedQwen2HasAllTensors() throws {
        let location = try location("qwen2")
        let checkpoint = try location.openCheckpoint()
        #expect(checkpoint.tensors.count == 26)
        #expect(checkpoint.elementCount == 98_880)
        #expect(checkpoint.byteCount == 395_520)
        let configuration = try ModelConfiguration(location)
        #expect(try configuration.tiesWordEmbeddings())
        let generation = try GenerationConfiguration(location, configuration: configuration)
        #expect(generation.eosTokenIDs == [2] && generation.bosTokenID == 1 && generation.padTokenID == 0)
        #expect(generation.temperature == nil && generation.samples == nil)
    }

    @Test func everyReferenceModelOpens() throws {
        guard let models = ReferenceMaterial.locate("reference/models", for: "everyReferenceModelOpens") else { return }
        let names = try FileManager.default.contentsOfDirectory(atPath: models.path).filter { !$0.hasSuffix("-lora") }
        #expect(names.count >= 20)
        for name in names {
            let location = try ModelLocation(models.appendingPathComponent(name).path)
            #expect(try !location.openCheckpoint().tensors.isEmpty, "\(name)")
            let configuration = try ModelConfiguration(location)
            _ = try GenerationConfiguration(location, configuration: configuration)
            let answers = models.appendingPathComponent("\(name)/expected.safetensors").path
            let expected = try Checkpoint(safetensors: answers)
            #expect(!expected.tensors.isEmpty)
        }
    }
}
