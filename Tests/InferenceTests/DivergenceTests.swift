import Foundation
import Inference
import ModelIO
import Models
import TensorCore
import TestSupport
import Testing

@Suite("Divergence")
struct DivergenceTests {
    private static let context = 32
    private static let text = String(
        repeating: "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. ",
        count: 3)

    private func measurement(_ package: ModelPackage) throws -> PerplexityMeasurement {
        let device = try #require(InferenceDevice.all.first)
        return try PerplexityMeasurement(
            package, on: device.make(), plan: PerplexityPlan(contextLength: Self.context),
            options: EngineOptions(passTokenCount: 11))
    }

    private func package(_ name: String) throws -> ModelPackage {
        try ModelPackage(path: ReferenceMaterial.fixtures.appendingPathComponent("models/\(name)").path)
    }

    private func withBase<Result>(
        of package: ModelPackage, _ body: (_ path: String, _ tokens: [Int]) throws -> Result
    ) throws -> Result {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("base-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let tokens = try PerplexityMeasurement.tokens(of: Self.text, for: package)
        let written = try measurement(package).measure(tokens, writingBase: path)
        let plain = try measurement(package).measure(tokens)
        #expect(written == plain)
        return try body(path, tokens)
    }

    /// llama.cpp's `log_softmax` in `tools/perplexity`: the layout that its tool reads.
    @Test func filesAreLlamaCpps() throws {
        let package = try package("gpt2")
        try withBase(of: package) { path, tokens in
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            func word(_ offset: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << (8 * $1) } }
            let windows = tokens.count / Self.context
            let size = try package.describe().vocabularySize
            #expect(bytes.prefix(8) == ArraySlice("_logits_".utf8))
            #expect([8, 12, 16].map { Int(word($0)) } == [Self.context, size, windows])
            #expect(
                (0..<windows * Self.context).map { Int(word(20 + 4 * $0)) }
                    == Array(tokens.prefix(windows * Self.context)))
            let row = 2 * (2 * ((size + 1) / 2) + 4)
            let start = 20 + 4 * windows * Self.context
            #expect(bytes.count == start + windows * (Self.context / 2 - 1) * row)
            // Each row is a distribution, to what 16 bits hold.
            for place in 0..<windows * (Self.context / 2 - 1) {
                let offset = start + place * row
                let (scale, least) = (Float(bitPattern: word(offset)), Float(bitPattern: word(offset + 4)))
                let sum = (0..<size).reduce(0.0) { sum, token in
                    let at = offset + 8 + 2 * token
                    let quant = Float(UInt16(bytes[at]) | UInt16(bytes[at + 1]) << 8)
                    return sum + exp(Double(scale * quant + least))
                }
                #expect(abs(sum - 1) < 1e-3)
            }
        }
    }

    @Test func aModelIsNoDistanceFromItself() throws {
        let package = try package("gpt2")
        try withBase(of: package) { path, tokens in
            let found = try measurement(package).compare(with: LogitBaseFile(path: path))
            #expect(found.tokenCount == tokens.count / Self.context * (Self.context / 2 - 1))
            #expect(abs(found.divergence.value) < 1e-5)
            // The best tokens of a random model may differ by less than 16 bits hold.
            #expect(found.sameTop.value > 0.95)
            #expect(abs(found.ratio.value - 1) < 1e-4 && found.correlation > 0.9999)
        }
    }

    @Test func divergenceIsFloat64s() throws {
        let (base, other) = (try package("gpt2"), try package("gpt2").withScaledHead())
        try withBase(of: base) { path, tokens in
            let found = try measurement(other).compare(with: LogitBaseFile(path: path), maximumWindowCount: 2)
            let device = try #require(InferenceDevice.all.first)
            func rows(_ package: ModelPackage) throws -> [[Double]] {
                let pass = try ForwardPass(package, on: device.make(), contextLength: Self.context)
                return try (0..<2).flatMap { window in
                    let inputs = Array(tokens[window * Self.context..<(window + 1) * Self.context])
                    let logits = try pass.logits(for: inputs).map(Double.init)
                    return (Self.context / 2..<Self.context - 1).map { place in
                        let row = logits[place * pass.vocabularySize..<(place + 1) * pass.vocabularySize]
                        let sum = log(row.reduce(0) { $0 + exp($1) })
                        return row.map { $0 - sum }
                    }
                }
            }
            let divergences = zip(try rows(base), try rows(other)).map { base, other in
                zip(base, other).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) }
            }
            let mean = divergences.reduce(0, +) / Double(divergences.count)
            #expect(mean > 1e-4)
            #expect(abs(found.divergence.value - mean) < 1e-4 * max(mean, 1))
            let sorted = found.sortedDivergences
            for (one, two) in zip(sorted, divergences.sorted()) { #expect(abs(one - two) < 1e-3 * max(two, 1)) }
        }
    }

    @Test func otherFilesAreRefused() throws {
        let package = try package("gpt2")
        try withBase(of: package) { path, _ in
            let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            var damaged = bytes
            damaged[16] = 0xFF
            damaged[19] = 0x7F
            for content in [Data("_logits_".utf8), bytes.dropLast(1), Data("other file of some length".utf8), damaged] {
                try content.write(to: URL(fileURLWithPath: path))
                #expect(throws: LoadError.self) { _ = try LogitBaseFile(path: path) }
            }
            try bytes.write(to: URL(fileURLWithPath: path))
            let file = try LogitBaseFile(path: path)
            let device = try #require(InferenceDevice.all.first)
            let longer = try PerplexityMeasurement(package, on: device.make(), plan: PerplexityPlan(contextLength: 40))
            #expect(throws: PerplexityError.self) { _ = try longer.compare(with: file) }
        }
    }
}

extension ModelPackage {
    /// The same model with a final norm of other weights, whose answers so differ a little.
    fileprivate func withScaledHead() throws -> ModelPackage {
        var tensors = checkpoint.tensors
        guard let name = tensors.keys.first(where: { $0.hasSuffix("ln_f.weight") }), let old = tensors[name] else {
            throw LoadError.missingTensor(path: self.name, name: "ln_f.weight", tried: [])
        }
        let memory = HostAllocation(byteCount: old.bytes.byteCount)
        let values = try WeightLoader(checkpoint).floats(old).enumerated().map { $1 * (1 + 0.05 * Float($0 % 5)) }
        values.withUnsafeBytes { memory.pointer.copyMemory(from: $0) }
        tensors[name] = StoredTensor(
            name: old.name, type: old.type, shape: old.shape, bytes: memory.bytes, path: old.path)
        return ModelPackage(
            name: self.name, configuration: configuration,
            checkpoint: Checkpoint(
                path: checkpoint.path, tensors: Array(tensors.values), metadata: checkpoint.metadata),
            generation: generation, tokenizer: tokenizer)
    }
}
