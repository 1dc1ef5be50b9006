import CPUBackend
import Foundation
import Inference
import TensorCore
import TestSupport
import Testing

/// The same bits, whatever runs beside a request, however its prompt is divided, and with the prefix cache or without.
@Suite("Determinism")
struct DeterminismTests {
    private func package(_ name: String) throws -> ModelPackage {
        try ModelPackage(path: ReferenceMaterial.fixtures.appendingPathComponent("models/\(name)").path)
    }

    private func prompt(_ count: Int, _ seed: UInt64) -> [Int] {
        var random = SplitMix64(seed: seed)
        return (0..<count).map { _ in Int(random.next() % 380) + 3 }
    }

    /// Tokens of a request with all that is computed of them.
    private func outcome(_ engine: Engine, _ request: GenerationRequest) async throws -> [TokenLogProbability] {
        var entries: [TokenLogProbability] = []
        for try await update in try engine.generate(request) { entries += update.logProbabilities }
        return entries
    }

    private func request(_ tokens: [Int], _ maxTokens: Int) -> GenerationRequest {
        GenerationRequest(
            promptTokens: tokens, sampling: SamplingParameters(temperature: 0.9, seed: 11), maxTokens: maxTokens,
            ignoresEndOfSequence: true, logProbabilities: 5)
    }

    /// - Parameter isShort: for devices that compute one token a pass.
    private func check(
        _ package: ModelPackage, _ device: InferenceDevice, _ options: EngineOptions, isShort: Bool = false
    ) async throws {
        let count = isShort ? 4 : 24
        var alone = options
        alone.passTokenCount = 512
        alone.passSeconds = nil
        let tokens = prompt(isShort ? 20 : 150, 1)
        let branch = Array(tokens.prefix(tokens.count * 2 / 3)) + prompt(isShort ? 5 : 40, 2)
        let engine = try await Engine(package, on: device.make(), options: alone)
        let expected = try await outcome(engine, request(tokens, count))
        #expect(expected.count == count)
        // Its prompt comes from the cache, all but one token; then but for the part that differs.
        #expect(try await outcome(engine, request(tokens, count)) == expected)
        let branched = try await outcome(engine, request(branch, count))
        for chunk in isShort ? [7] : [1, 7, 33] {
            var chunked = alone
            chunked.passTokenCount = chunk
            let engine = try await Engine(package, on: device.make(), options: chunked)
            #expect(try await outcome(engine, request(tokens, count)) == expected, "chunks of \(chunk)")
            #expect(try await outcome(engine, request(branch, count)) == branched)
        }
        for sequenceCount in isShort ? [2] : [2, 5, 17] {
            var together = options
            together.sequenceCount = sequenceCount
            // So few blocks that some are preempted and computed again.
            together.cacheTokenCount = 200 + 60 * sequenceCount
            let engine = try await Engine(package, on: device.make(), options: together)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 1..<sequenceCount {
                    group.addTask {
                        _ = try await outcome(engine, request(prompt(20 + 9 * index, UInt64(100 + index)), count))
                    }
                }
                group.addTask {
                    let found = try await outcome(engine, request(tokens, count))
                    #expect(found == expected, "\(sequenceCount) together")
                }
                try await group.waitForAll()
            }
        }
    }

    @Test(
        "a deterministic engine gives the same bits alone, in chunks, in a batch and from the cache",
        arguments: InferenceDevice.fast, ["llama", "gpt2"])
    func deterministic(device: InferenceDevice, model: String) async throws {
        try await check(
            try package(model), device, EngineOptions(contextLength: 256, isDeterministic: true),
            isShort: !device.name.hasPrefix("cpu"))
    }

    @Test("and so it does in number formats of every kind", arguments: [WeightFormat.bfloat16, .float16, .int8])
    func formats(format: WeightFormat) async throws {
        let cpu = try #require(InferenceDevice.all.first)
        try await check(
            try package("llama"), cpu,
            EngineOptions(contextLength: 256, weightFormat: format, isDeterministic: true, cacheType: .bfloat16))
    }

    @Test(
        "products of a row-invariant backend have the same bits in batches of every size",
        arguments: [WeightFormat.float32, .bfloat16, .int8, .q8_0, .q4_0, .q4_K, .q6_K])
    func rowInvariance(format: WeightFormat) throws {
        let backend = try CPUBackend()
        backend.makeRowInvariant()
        let (rows, columns) = (96, 768)
        var random = SplitMix64(name: "row invariance")
        try backend.reserve(
            ExecutionLimits(
                tokenCount: 300, sequenceCount: 4, contextLength: 512, featureCount: columns,
                matmulInputCount: columns, headCount: 4, headSize: 32))
        let x = try backend.makeTensor(random.floats(300 * columns, scale: 1), [300, columns])
        let packed = PackedWeight(format: format, partRows: [rows], columns: columns, random: &random)
        let weight = try backend.prepare(packed.source, precision: .highest)
        let output = try backend.makeTensor(.float32, [300, rows])
        var expected: [[Float]] = []
        for row in 0..<300 {
            try backend.matmul(x.rows(row..<row + 1), weight, into: output.rows(0..<1), epilogue: MatmulEpilogue())
            expected.append(try backend.readFloats(output.rows(0..<1)))
        }
        for count in [2, 8, 9, 31, 32, 128, 300] {
            try backend.matmul(x.rows(0..<count), weight, into: output.rows(0..<count), epilogue: MatmulEpilogue())
            #expect(try backend.readFloats(output.rows(0..<count)) == expected.prefix(count).flatMap { $0 })
        }
    }
}
