import Foundation
import Inference
import JSONCore
import KVCache
import ModelIO
import TensorCore
import TestSupport
import Testing

/// What a cache in fewer bits does to models, and whether sharing its blocks changes anything.
@Suite("Cache formats")
struct CacheFormatTests {
    @Test(
        "logits over a cache in fewer bits stay near the answers", arguments: InferenceDevice.fast,
        [(DType.bfloat16, 3e-5), (.float16, 2e-6), (.int8, 2e-4)])
    func logits(device: InferenceDevice, format: (DType, Double)) throws {
        for model in ReferenceModel.fixtures {
            let expected = try model.expected()
            let rows = try expected.rows("input_ids")
            let pass = try ForwardPass(
                try model.package(), on: device.make(), contextLength: rows[0].count,
                options: EngineOptions(precision: .highest, cacheType: format.0))
            let logits = try rows.flatMap { try pass.logits(for: $0) }
            let error = normalizedMeanSquaredError(logits, try expected.doubles("logits"))
            #expect(error <= format.1, "\(model.name) over \(format.0) on \(device.name): NMSE \(error)")
            // Far above what FP32 gives, or the format was not used.
            #expect(error > 1e-9, "\(model.name) over \(format.0) on \(device.name): NMSE \(error)")
        }
    }

    @Test("the format that is left out follows weights and precision")
    func automatic() throws {
        func cacheType(_ name: String, _ options: EngineOptions) throws -> DType {
            let path = ReferenceMaterial.fixtures.appendingPathComponent("models/\(name)").path
            return options.cacheType(for: try ModelPackage(path: path).checkpoint)
        }
        for name in ["llama3-rope", "qwen3"] {
            #expect(try cacheType(name, EngineOptions()) == .float16)
            #expect(try cacheType(name, EngineOptions(weightFormat: .float32)) == .float32)
            #expect(try cacheType(name, EngineOptions(precision: .highest)) == .float32)
            #expect(try cacheType(name, EngineOptions(isDeterministic: true)) == .float32)
            #expect(try cacheType(name, EngineOptions(precision: .highest, cacheType: .int8)) == .int8)
        }
        #expect(try cacheType("llama", EngineOptions()) == .float32)
        #expect(try cacheType("llama", EngineOptions(weightFormat: .int8)) == .float16)
    }

    @Test("behind a reference's text, an int8 cache gives its next token", arguments: InferenceDevice.fast)
    func trained(device: InferenceDevice) throws {
        guard let folder = ReferenceMaterial.locate("reference/trained/stories260K", for: "int8 caches") else { return }
        let package = try ModelPackage(path: folder.path)
        let data = try Data(contentsOf: folder.appendingPathComponent("expected.json"))
        let cases = try #require(
            try JSONDocument(parsing: [UInt8](data), source: "expected.json").root["cases"]?.array)
        let pass = try ForwardPass(
            package, on: device.make(), contextLength: 512, options: EngineOptions(cacheType: .int8))
        var (same, total) = (0, 0)
        for value in cases {
            let prompt = try #require(value["prompt_ids"]?.array).compactMap(\.int)
            let continuation = try #require(value["greedy_ids"]?.array).compactMap(\.int)
            guard !continuation.isEmpty else { continue }
            let logits = try pass.logits(for: prompt + continuation.dropLast())
            for (index, token) in continuation.enumerated() {
                let start = (prompt.count - 1 + index) * pass.vocabularySize
                let row = logits[start..<start + pass.vocabularySize]
                same += row.allSatisfy { $0 <= row[start + token] } ? 1 : 0
            }
            total += continuation.count
        }
        #expect(total > 100 && Double(same) >= 0.98 * Double(total), "\(same) of \(total) on \(device.name)")
    }

    @Test("a prefix from an int8 cache gives the same text", arguments: InferenceDevice.fast)
    func prefix(device: InferenceDevice) async throws {
        let package = try ModelPackage(path: ReferenceMaterial.fixtures.appendingPathComponent("models/llama").path)
        let options = EngineOptions(sequenceCount: 2, cacheType: .int8)
        let engine = try await Engine(package, on: device.make(), options: options)
        let request = GenerationRequest(
            promptTokens: (0..<45).map { 5 + $0 * 37 % 300 }, maxTokens: 12, ignoresEndOfSequence: true)
        let first = try await collect(try engine.generate(request))
        let second = try await collect(try engine.generate(request))
        #expect(first.result.cachedTokenCount == 0 && second.result.cachedTokenCount == 44)
        #expect(second.tokens == first.tokens)
    }

    @Test("a forked sequence writes into its own copy", arguments: InferenceDevice.fast, KVCacheLayer.dtypes)
    func fork(device: InferenceDevice, dtype: DType) throws {
        let forks = try ForkedSequences(on: device.make(), dtype)
        var parent = BlockTable()
        try forks.append(Array(0..<6), to: &parent)
        var child = parent.fork(in: &forks.pool)
        try forks.append([7], to: &child)
        try forks.append([6], to: &parent)
        #expect(forks.copyCount == 1 && parent.blocks[0] == child.blocks[0] && parent.blocks[1] != child.blocks[1])
        for (table, tokens) in [(parent, Array(0..<7)), (child, Array(0..<6) + [7])] {
            var alone = BlockTable()
            try forks.append(tokens, to: &alone)
            #expect(try forks.attend(to: table) == forks.attend(to: alone))
        }
        #expect(try forks.attend(to: parent) != forks.attend(to: child))
    }
}

/// Sequences whose tokens have random keys and values, one pair for each token id.
private final class ForkedSequences {
    private static let (headCount, headSize, blockSize) = (2, 20, 4)
    private static var columns: Int { headCount * headSize }

    var pool = BlockPool(blockCount: 12, blockSizeInTokens: blockSize)
    private(set) var copyCount = 0
    private let backend: any Backend
    private let cache: KVCacheLayer
    private let rows: [[Float]]
    private let query: Tensor

    init(on backend: any Backend, _ dtype: DType) throws {
        self.backend = backend
        try backend.reserve(
            ExecutionLimits(
                tokenCount: 16, sequenceCount: 1, contextLength: 16, featureCount: 64, matmulInputCount: 64,
                headCount: Self.headCount, headSize: Self.headSize))
        let shape = KVCacheShape(
            layerCount: 1, blockCount: 12, headCount: Self.headCount, headSize: Self.headSize,
            blockSizeInTokens: Self.blockSize, dtype: dtype)
        cache = try KVCacheStorage(shape, on: backend).layers[0]
        var random = SplitMix64(name: "forks \(dtype)")
        rows = (0..<16).map { _ in random.floats(Self.columns) }
        query = try backend.makeTensor(random.floats(Self.columns), [1, Self.columns])
    }

    func append(_ tokens: [Int], to table: inout BlockTable) throws {
        let growth = try table.append(tokens.count, in: &pool)
        copyCount += growth.copies.count
        if !growth.copies.isEmpty {
            let pairs = growth.copies.flatMap { [$0.from, $0.to] }
            try backend.copyBlocks(try backend.makeTensor(pairs, [growth.copies.count, 2]), in: cache)
        }
        let shape: Shape = [tokens.count, Self.columns]
        try backend.storeKeyValue(
            query: nil, key: try backend.makeTensor(tokens.flatMap { rows[$0] }, shape),
            value: try backend.makeTensor(tokens.flatMap { rows[15 - $0] }, shape),
            slots: try backend.makeTensor(growth.slots, [tokens.count]), into: cache, rope: nil)
    }

    /// What the query sees of a sequence.
    func attend(to table: BlockTable) throws -> [Float] {
        let output = try backend.makeTensor(.float32, [1, Self.columns])
        let batch = AttentionBatch(
            queryOffsets: try backend.makeTensor([Int32(0), 1], [2]),
            contextLengths: try backend.makeTensor([Int32(table.tokenCount)], [1]),
            blockTables: try backend.makeTensor(table.blocks, [1, table.blocks.count]), tokenCount: 1,
            maxQueryCount: 1, maxContextLength: table.tokenCount)
        try backend.attention(
            query: query, cache: cache, batch: batch,
            parameters: AttentionParameters(headCount: Self.headCount, scale: 0.25), into: output)
        return try backend.readFloats(output)
    }
}
