import TensorCore
import TestSupport
import Testing

/// The ops together, as a decoder enqueues them, without a read between them.
@Suite("a small decoder")
struct DecoderTests {
    @Test(
        "prefill in chunks beside decoding gives the reference's logits",
        arguments: ConformanceSizes.isSmall ? [.float32] : WeightFormat.elementwise, [DType.float32, .float16, .int8])
    func decodes(_ format: WeightFormat, cacheType: DType) throws {
        // Two sequences: one in chunks of 19 and 7 tokens and then alone, the other from the second pass on.
        let passes =
            ConformanceSizes.isSmall
            ? [[[6, 0], [0, 0]], [[2, 6], [1, 0]], [[1, 8], [1, 1]]]
            : [[[19, 0], [0, 0]], [[7, 19], [11, 0]], [[1, 26], [1, 11]], [[1, 27], [1, 12]]]
        let name = "decoder \(format.rawValue), cache \(cacheType.rawValue)"
        let host = DecoderHost(name: name, format: format)
        let reference = try SmallDecoder(ReferenceBackend(), host, cacheType: cacheType)
        let expected = try passes.map { try reference.run($0) }
        onEveryDevice(name) { backend, expectations in
            let decoder = try SmallDecoder(backend, host, cacheType: cacheType)
            for (index, pass) in passes.enumerated() {
                let (logits, tokens) = try decoder.run(pass)
                let wanted = expected[index]
                let error = normalizedMeanSquaredError(logits, wanted.logits.map(Double.init))
                // A key may be rounded to its neighbour.
                let bound = cacheType == .float32 ? 1e-9 : cacheType == .int8 ? 1e-5 : 1e-6
                expectations.expect(error <= bound, "pass \(index): NMSE \(error) of the logits")
                expectations.expect(tokens == wanted.tokens, "pass \(index): \(tokens), expected \(wanted.tokens)")
            }
        }
    }
}

/// The random weights of two decoder layers with grouped heads.
struct DecoderHost {
    static let (vocabulary, width, inner, heads, keyHeads, headSize) = (211, 48, 72, 6, 2, 16)
    static let layers = 2

    let table: WeightSource
    let projections: [WeightSource]
    let outputs: [WeightSource]
    let gates: [WeightSource]
    let downs: [WeightSource]
    let norm: [Float]
    let ids: [Int32]

    init(name: String, format: WeightFormat) {
        var random = SplitMix64(name: name)
        func weights(_ partRows: [Int], _ columns: Int) -> [WeightSource] {
            (0..<DecoderHost.layers).map { _ in
                PackedWeight(format: format, partRows: partRows, columns: columns, random: &random).source
            }
        }
        let (width, size) = (DecoderHost.width, DecoderHost.headSize)
        projections = weights(
            [DecoderHost.heads * size, DecoderHost.keyHeads * size, DecoderHost.keyHeads * size], width)
        outputs = weights([width], DecoderHost.heads * size)
        gates = weights([DecoderHost.inner, DecoderHost.inner], width)
        downs = weights([width], DecoderHost.inner)
        table = weights([DecoderHost.vocabulary], width)[0]
        norm = random.floats(width).map { $0 * 0.2 + 1 }
        ids = random.int32s(256, in: 0..<DecoderHost.vocabulary)
    }
}

/// Two layers on one backend.
final class SmallDecoder {
    private let backend: any Backend
    private let host: DecoderHost
    private let table: any Weight
    private let layers: [[any Weight]]
    private let caches: [KVCacheLayer]
    private let norm: Tensor
    private let ropeTable: Tensor

    init(_ backend: any Backend, _ host: DecoderHost, cacheType: DType) throws {
        self.backend = backend
        self.host = host
        table = try backend.prepare(host.table)
        layers = try (0..<DecoderHost.layers).map { layer in
            try [host.projections, host.outputs, host.gates, host.downs].map { try backend.prepare($0[layer]) }
        }
        caches = try (0..<DecoderHost.layers).map { _ in
            try KVCacheLayer(on: backend, cacheType, [8, DecoderHost.keyHeads, 16, DecoderHost.headSize])
        }
        norm = try backend.makeTensor(host.norm, [DecoderHost.width])
        ropeTable = try backend.makeTensor(
            Reference.ropeTable(positions: 64, rotarySize: DecoderHost.headSize),
            [64, 2, DecoderHost.headSize / 2])
    }

    /// One pass over `[new tokens, tokens already in the cache]` of each sequence: the logits of each sequence's last
    /// token and the best token.
    func run(_ sequences: [[Int]]) throws -> (logits: [Float], tokens: [Int32]) {
        let active = sequences.indices.filter { sequences[$0][0] > 0 }
        let pass = try DecoderPass(backend, host, sequences, active)
        let width = DecoderHost.width
        let (heads, size) = (DecoderHost.heads, DecoderHost.headSize)
        let queryColumns = heads * size
        let keyColumns = DecoderHost.keyHeads * size
        var plan = WorkspacePlan()
        let rows = [width, width, queryColumns + 2 * keyColumns, queryColumns, DecoderHost.inner].map {
            plan.float32([pass.count, $0])
        }
        let (lastSlot, logitSlot) = (
            plan.float32([active.count, width]), plan.float32([active.count, DecoderHost.vocabulary])
        )
        let bestSlot = plan.int32([active.count])
        let workspace = try plan.allocate(on: backend)
        let (x, normed, qkv) = (workspace[rows[0]], workspace[rows[1]], workspace[rows[2]])
        let (attended, inner) = (workspace[rows[3]], workspace[rows[4]])
        let (last, logits, best) = (workspace[lastSlot], workspace[logitSlot], workspace[bestSlot])
        try backend.embed(pass.ids, table, accumulate: false, into: x)
        for (weights, cache) in zip(layers, caches) {
            try backend.rmsNorm(x, residual: nil, sum: nil, weight: norm, epsilon: 1e-5, into: normed)
            try backend.matmul(normed, weights[0], into: qkv, epilogue: .none)
            let query = qkv.columns(0..<queryColumns)
            try backend.storeKeyValue(
                query: query, key: qkv.columns(queryColumns..<queryColumns + keyColumns),
                value: qkv.columns(queryColumns + keyColumns..<queryColumns + 2 * keyColumns), slots: pass.slots,
                into: cache,
                rope: RopeArguments(table: ropeTable, positions: pass.positions, rotarySize: size, layout: .halfSplit))
            try backend.attention(
                query: query, cache: cache, batch: pass.batch,
                parameters: AttentionParameters(headCount: heads, scale: 1 / Float(size).squareRoot()), into: attended)
            try backend.matmul(attended, weights[1], into: x, epilogue: MatmulEpilogue(residual: x))
            try backend.rmsNorm(x, residual: nil, sum: nil, weight: norm, epsilon: 1e-5, into: normed)
            try backend.matmul(
                normed, weights[2], into: inner, epilogue: MatmulEpilogue(activation: .silu, isGated: true))
            try backend.matmul(inner, weights[3], into: x, epilogue: MatmulEpilogue(residual: x))
        }
        try backend.gatherRows(x, rows: pass.lastRows, into: last)
        try backend.rmsNorm(last, residual: nil, sum: nil, weight: norm, epsilon: 1e-5, into: last)
        try backend.matmul(last, table, into: logits, epilogue: .none)
        try backend.argmax(logits, into: best)
        return (try backend.readFloats(logits), try backend.readInt32s(best))
    }
}

/// The index tensors of one pass. Sequence `s` owns the blocks `7 - s, 5 - s, 3 - s, 1 - s`.
private struct DecoderPass {
    let count: Int
    let ids: Tensor
    let positions: Tensor
    let slots: Tensor
    let lastRows: Tensor
    let batch: AttentionBatch

    init(_ backend: any Backend, _ host: DecoderHost, _ sequences: [[Int]], _ active: [Int]) throws {
        var (ids, positions, slots, lastRows): ([Int32], [Int32], [Int32], [Int32]) = ([], [], [], [])
        var (offsets, lengths, tables): ([Int32], [Int32], [Int32]) = ([0], [], [])
        for s in active {
            let blocks = [7 - s, 5 - s, 3 - s, 1 - s]
            for position in sequences[s][1]..<sequences[s][0] + sequences[s][1] {
                ids.append(host.ids[s * 128 + position])
                positions.append(Int32(position))
                slots.append(Int32(blocks[position / 16] * 16 + position % 16))
            }
            lastRows.append(Int32(ids.count - 1))
            offsets.append(Int32(ids.count))
            lengths.append(Int32(sequences[s][0] + sequences[s][1]))
            tables += blocks.map(Int32.init)
        }
        count = ids.count
        self.ids = try backend.makeTensor(ids, [count])
        self.positions = try backend.makeTensor(positions, [count])
        self.slots = try backend.makeTensor(slots, [count])
        self.lastRows = try backend.makeTensor(lastRows, [active.count])
        batch = AttentionBatch(
            queryOffsets: try backend.makeTensor(offsets, [offsets.count]),
            contextLengths: try backend.makeTensor(lengths, [active.count]),
            blockTables: try backend.makeTensor(tables, [active.count, 4]), tokenCount: count,
            maxQueryCount: active.map { sequences[$0][0] }.max() ?? 0,
            maxContextLength: lengths.max().map(Int.init) ?? 0)
    }
}
