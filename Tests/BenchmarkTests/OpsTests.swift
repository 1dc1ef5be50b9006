import BenchmarkKit
import CommandSupport
import Devices
import Inference
import Models
import OpCases
import TensorCore
import Testing

@Suite("Ops and models of known shapes", .serialized) struct OpsTests {
    private static let llama = ModelShape(
        name: "tiny-llama", family: .llama, vocabularySize: 300, hiddenSize: 256, layerCount: 2, headCount: 4,
        keyValueHeadCount: 2, headSize: 64, intermediateSize: 256, maxContextLength: 128)
    private static let gpt2 = ModelShape(
        name: "tiny-gpt2", family: .gpt2, vocabularySize: 300, hiddenSize: 128, layerCount: 1, headCount: 2,
        keyValueHeadCount: 2, headSize: 64, intermediateSize: 256, maxContextLength: 128)

    private static let mixture = ModelShape(
        name: "tiny-mixture", family: .llama, vocabularySize: 300, hiddenSize: 256, layerCount: 1, headCount: 4,
        keyValueHeadCount: 1, headSize: 64, intermediateSize: 512, maxContextLength: 128,
        experts: ModelShape.Experts(count: 4, expertsPerToken: 2),
        softCaps: ModelShape.SoftCaps(scores: 50, logits: 2), normalizesHeads: true)

    private static func context(_ backend: any Backend) -> OpContext {
        let rate = Ceilings.Rate(perSecond: 1e9, reachedBy: "nothing")
        return OpContext(
            backend: backend, ceilings: Ceilings(device: "test", copy: rate, read: rate, products: [.float32: rate]),
            rotationByteCount: 1 << 16)
    }

    @Test("every case computes what its reference says, on every operand", arguments: [llama, gpt2, mixture])
    func references(shape: ModelShape) throws {
        let backend = try DeviceSelection.makeBackend(.cpu).backend
        let groups = OpGroup.all(
            shape, formats: WeightFormat.allCases, cacheTypes: KVCacheLayer.dtypes, tokenCounts: [1, 5],
            expertTokenCounts: [1, 5], contextLengths: [33])
        var ops: Set<String> = []
        for group in groups {
            for op in try group.prepare(Self.context(backend)) {
                let error = try op.error()
                #expect(error <= op.tolerance, "\(op.opCase.name)")
                #expect(op.opCase.byteCount > 0, "\(op.opCase.name)")
                for index in 0..<3 { try op.call(index) }
                try backend.synchronize()
                ops.insert(op.opCase.op)
            }
        }
        #expect(
            ops.isSuperset(of: [
                "matmul", "attention", "norm", "activation", "softmax", "argmax", "topk", "embed", "store",
                "store_attend", "gather",
            ]))
        #expect(ops.isSuperset(of: shape.ownOps))
        // Encoders' heads have keys of their own.
        #expect(ops.contains("encoder_attention") == (shape.keyValueHeadCount == shape.headCount))
    }

    @Test("bytes and operations are those of the README's formulas") func sizes() throws {
        let backend = try DeviceSelection.makeBackend(.cpu).backend
        let groups = OpGroup.all(
            Self.mixture, formats: [.float32], cacheTypes: [.int8], tokenCounts: [3], expertTokenCounts: [1],
            contextLengths: [33])
        var cases: [String: [OpCase]] = [:]
        for group in groups
        where ["experts", "combine", "attention", "store_attend", "store", "head_norm"].contains(group.op) {
            cases[group.op, default: []] += try group.prepare(Self.context(backend)).map(\.opCase)
        }
        // One token takes 2 experts of 2 * 512 rows of 256, and writes 2 rows of 512; then 2 of 256 rows of 512.
        let weights = 4 * 2 * 1024 * 256
        #expect(
            cases["experts"]?.map(\.byteCount) == [
                weights + 4 * (256 + 2 * 512 + 2), weights / 2 + 4 * (2 * 512 + 2 * 256 + 2),
            ])
        #expect(cases["experts"]?.map(\.flopCount) == [2 * 2 * 1024 * 256, 2 * 2 * 256 * 512])
        #expect(cases["combine"]?.map(\.byteCount) == [4 * (2 * 256 + 2 + 2 * 256)])
        #expect(cases["combine"]?.map(\.flopCount) == [2 * 2 * 256])
        // 33 keys and values of one head of 64 bytes with a scale, one query and one output of 4 heads.
        #expect(cases["attention"]?.first?.byteCount == 2 * 33 * 68 + 2 * 4 * 256)
        #expect(cases["store_attend"]?.map(\.byteCount) == [2 * 33 * 68 + 2 * 4 * 256 + 2 * (4 * 64 + 68) + 4])
        #expect(cases["store"]?.map(\.byteCount) == [3 * (2 * (4 * 64 + 68) + 4)])
        let plain = EncoderAttentionCases.groups(Self.gpt2, tokenCounts: [3, 200])
        #expect(try plain.flatMap { try $0.prepare(Self.context(backend)) }.map(\.opCase.flopCount) == [4 * 9 * 128])
        #expect(cases["head_norm"]?.map(\.byteCount) == [2 * 4 * 3 * 256])
    }

    @Test("operands are random, never zeros", arguments: WeightFormat.allCases) func randomness(format: WeightFormat) {
        let weight = RandomWeight("w", format: format, rows: 4, columns: 256, seed: 9)
        for row in 0..<4 {
            let values = weight.values(row: row)
            #expect(values.allSatisfy { $0.isFinite }, "\(format)")
            // Ternary formats have three values a block.
            #expect(Set(values).count > 2 && values.filter { $0 == 0 }.count < 128, "\(format)")
        }
        #expect(weight.values(row: 0) != weight.values(row: 1))
        #expect(
            weight.values(row: 1) == RandomWeight("w", format: format, rows: 4, columns: 256, seed: 9).values(row: 1))
    }

    @Test("random models run in every format", arguments: [llama, gpt2]) func models(shape: ModelShape) throws {
        for format in WeightFormat.allCases {
            let package = try SyntheticModel.make(shape, format: format)
            #expect(try package.describe().layerCount == shape.layerCount)
            let backend = try DeviceSelection.makeBackend(.cpu).backend
            var options = EngineOptions()
            options.weightFormat = format == .int8 ? .int8 : nil
            let measurement = try PassMeasurement(package, on: backend, contextLength: 40, options: options)
            let test = LatencyTest(prompt: 8, decode: 4, depth: 8)
            #expect(test.name == "pp8+tg4 @ d8")
            #expect(try test.run(measurement) > 0, "\(format)")
        }
    }

    @Test("batches with separate and shared prompts") func batches() throws {
        let backend = try DeviceSelection.makeBackend(.cpu).backend
        let package = try SyntheticModel.make(Self.llama, format: .float32)
        let measurement = try BatchMeasurement(
            package, on: backend, sequenceCount: 3, contextLength: 30, options: EngineOptions(passTokenCount: 32))
        for shares in [false, true] {
            let times = try measurement.run(sequenceCount: 3, promptCount: 21, decodeCount: 9, sharesPrompt: shares)
            #expect(times.promptSeconds > 0 && times.decodeSeconds > 0)
        }
    }

    @Test("batched-bench's columns") func batchRow() {
        let times = BatchMeasurement.Times(promptSeconds: 2, decodeSeconds: 4)
        let separate = BatchRow(promptCount: 100, decodeCount: 10, sequenceCount: 4, sharesPrompt: false, times: times)
        #expect(separate.cacheTokenCount == 440 && separate.promptRate == 200 && separate.decodeRate == 10)
        #expect(abs(separate.totalRate - 440.0 / 6) < 1e-9)
        let shared = BatchRow(promptCount: 100, decodeCount: 10, sequenceCount: 4, sharesPrompt: true, times: times)
        #expect(shared.cacheTokenCount == 140 && shared.promptRate == 50 && shared.decodeRate == 10)
    }

    @Test("a set of mixed lengths runs to its end") func offline() async throws {
        let package = try SyntheticModel.make(Self.llama, format: .float32)
        let set = OfflineSet(count: 7, prompts: 3...20, outputs: 2...9, seed: 4)
        #expect(set == OfflineSet(count: 7, prompts: 3...20, outputs: 2...9, seed: 4))
        let engine = try await Engine(
            package, on: DeviceSelection.makeBackend(.cpu).backend,
            options: EngineOptions(contextLength: set.longest, cacheTokenCount: 256, sequenceCount: 3))
        let result = try await set.run(on: engine)
        #expect(result.outputTokenCount == set.outputTokenCount && result.firstTokenSeconds.count == 7)
    }

    @Test("cache sizes as Linux writes them") func cacheSizes() {
        #expect(CacheSize.byteCount("32768K\n") == 32 << 20 && CacheSize.byteCount("8M") == 8 << 20)
        #expect(CacheSize.byteCount("x") == nil && CacheSize.byteCount("") == nil && CacheSize.byteCount("-1K") == nil)
    }
}
