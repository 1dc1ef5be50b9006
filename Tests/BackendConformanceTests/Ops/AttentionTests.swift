import OpCases
import TensorCore
import TestSupport
import Testing

@Suite("paged attention")
struct AttentionTests {
    @Test("head sizes and groups", arguments: AttentionCase.headShapes.selected)
    func headShapes(_ one: AttentionCase) { check(one) }

    @Test("decoding over contexts", arguments: AttentionCase.decodeContexts.selected)
    func decodeContexts(_ one: AttentionCase) { check(one) }

    @Test("split contexts", arguments: AttentionCase.splits.selected)
    func splits(_ one: AttentionCase) { check(one) }

    @Test("prefill", arguments: AttentionCase.prefills.selected)
    func prefills(_ one: AttentionCase) {
        check(one, on: ConformanceDevices.all + ConformanceDevices.otherVariants)
    }

    @Test("mixed batches", arguments: AttentionCase.mixed.selected)
    func mixed(_ one: AttentionCase) { check(one) }

    @Test("sliding window", arguments: AttentionCase.windows.selected)
    func windows(_ one: AttentionCase) { check(one) }

    @Test("soft cap", arguments: AttentionCase.caps.selected)
    func caps(_ one: AttentionCase) { check(one) }

    @Test("large and equal scores", arguments: AttentionCase.difficultScores.selected)
    func difficultScores(_ one: AttentionCase) { check(one) }

    @Test("block sizes", arguments: AttentionCase.blockSizes.selected)
    func blockSizes(_ one: AttentionCase) { check(one) }

    @Test("layers of models", arguments: AttentionCase.modelLayers.selected)
    func modelLayers(_ one: AttentionCase) { check(one) }

    @Test("larger heads than a device takes", arguments: AttentionCase.largeHeads.selected)
    func largeHeads(_ one: AttentionCase) { check(one) }

    /// Queries, keys, values and weights rounded to BF16 where a backend does that: each by up to 2⁻⁹ of itself, some 10⁻⁵
    /// squared, and more in a row of values that nearly cancel.
    @Test("rounded products", arguments: AttentionCase.rounded.selected)
    func rounded(_ one: AttentionCase) { check(one, allowsReducedProducts: true) }

    private func check(
        _ one: AttentionCase, on devices: [ConformanceDevice] = ConformanceDevices.all,
        allowsReducedProducts: Bool = false
    ) {
        var host = AttentionHost(one)
        host.parameters.allowsReducedProducts = allowsReducedProducts
        let expected = Reference.attention(
            query: Matrix(rows: one.tokenCount, columns: one.columns, floats: host.query), keys: host.keys,
            values: host.values, sequences: host.sequences, parameters: host.parameters)
        // FP32 scores of size s carry an error of some s·10⁻⁷ into the exponential.
        let exactBound = [.large, .allVeryNegative].contains(one.scores) ? 1e-8 : 1e-11
        let bound = allowsReducedProducts ? 2e-4 : exactBound
        onEveryDevice(one.name, of: devices) { backend, expectations in
            let device = try AttentionDevice(backend, one, host)
            let output = try GuardedTensor(on: backend, .float32, [one.tokenCount, one.columns], gap: one.gap * 2)
            func attend() throws {
                try backend.attention(
                    query: device.query.tensor, cache: device.layer, batch: device.batch,
                    parameters: host.parameters, into: output.tensor)
            }
            guard one.isSupported(by: backend.capabilities) else {
                return try expectations.refuses(backend, one.name, writing: [output], attend)
            }
            try attend()
            try expectations.close(output, expected, bound: bound, eachRow: one.columns > 8)
            for (name, tensor) in device.inputs + device.cached { try expectations.unchanged(tensor, name) }
        }
    }
}

/// The host side of one attention batch: blocks are dealt in random order, and what no context reaches holds NaN.
struct AttentionHost {
    var parameters: AttentionParameters
    let sequences: [Reference.Sequence]
    let query: [Float]
    var keys: ReferenceCache
    var values: ReferenceCache
    /// A block that belongs to no sequence; block tables name it past a context's end.
    let poisonBlock: Int32

    init(_ one: AttentionCase) {
        var random = one.random
        parameters = AttentionParameters(
            headCount: one.headCount, scale: 1 / Float(one.headSize).squareRoot(), slidingWindow: one.window,
            softCap: one.softCap)
        let counts = one.sequences.map { ($0[1] + one.blockSize - 1) / one.blockSize }
        let blockCount = counts.reduce(0, +) + 2
        var order = random.permutation(blockCount).map(Int32.init)
        poisonBlock = order.removeLast()
        sequences = zip(one.sequences, counts).map { sizes, count in
            defer { order.removeFirst(count) }
            return Reference.Sequence(
                queryCount: sizes[0], contextLength: sizes[1], blocks: Array(order.prefix(count)))
        }
        let usual = random.floats(one.tokenCount * one.columns, scale: one.scores == .large ? 60 : 2)
        // Against keys of 0.5 to 1: every score is a hundred or more below zero, so nothing may be taken against zero.
        query = one.scores == .allVeryNegative ? usual.map { -40 - $0 } : usual
        let empty = ReferenceCache(
            blockCount: blockCount, headCount: one.keyHeads, blockSizeInTokens: one.blockSize, headSize: one.headSize)
        var (keys, values) = (empty, empty)
        for sequence in sequences {
            let slots = (0..<sequence.contextLength).map {
                sequence.blocks[$0 / one.blockSize] * Int32(one.blockSize) + Int32($0 % one.blockSize)
            }
            let count = slots.count * one.keyHeads * one.headSize
            let keyRows: [Float] =
                switch one.scores {
                case .usual, .large: random.floats(count, scale: 2)
                case .allEqual: [Float](repeating: 0.5, count: count)
                case .allVeryNegative: random.floats(count, scale: 0.25).map { $0 + 0.75 }
                }
            keys.store(Matrix(rows: slots.count, columns: count / slots.count, floats: keyRows), slots: slots)
            values.store(
                Matrix(rows: slots.count, columns: count / slots.count, floats: random.floats(count)), slots: slots)
        }
        keys.round(to: one.dtype)
        values.round(to: one.dtype)
        (self.keys, self.values) = (keys, values)
    }
}

/// The tensors of one attention batch.
struct AttentionDevice {
    let query: GuardedTensor
    let keys: GuardedCacheSide
    let values: GuardedCacheSide
    let layer: KVCacheLayer
    let batch: AttentionBatch
    let inputs: [(String, GuardedTensor)]
    let cached: [(String, GuardedTensor)]

    init(_ backend: any Backend, _ one: AttentionCase, _ host: AttentionHost) throws {
        let query = try GuardedTensor(on: backend, host.query, [one.tokenCount, one.columns], gap: one.gap)
        let keys = try GuardedCacheSide(on: backend, host.keys, as: one.dtype)
        let values = try GuardedCacheSide(on: backend, host.values, as: one.dtype)
        var offsets: [Int32] = [0]
        for sequence in host.sequences { offsets.append((offsets.last ?? 0) + Int32(sequence.queryCount)) }
        let width = (host.sequences.map(\.blocks.count).max() ?? 0) + 2
        let table = host.sequences.flatMap {
            $0.blocks + [Int32](repeating: host.poisonBlock, count: width - $0.blocks.count)
        }
        let count = host.sequences.count
        let offsetTensor = try GuardedTensor(on: backend, offsets, [offsets.count])
        let lengths = try GuardedTensor(on: backend, host.sequences.map { Int32($0.contextLength) }, [count])
        let tables = try GuardedTensor(on: backend, table, [count, width], gap: one.gap)
        self.query = query
        self.keys = keys
        self.values = values
        layer = KVCacheLayer(keys: keys, values: values)
        batch = AttentionBatch(
            queryOffsets: offsetTensor.tensor, contextLengths: lengths.tensor, blockTables: tables.tensor,
            tokenCount: one.tokenCount, maxQueryCount: host.sequences.map(\.queryCount).max() ?? 0,
            maxContextLength: host.sequences.map(\.contextLength).max() ?? 0)
        inputs = [
            ("query", query), ("queryOffsets", offsetTensor), ("contextLengths", lengths), ("blockTables", tables),
        ]
        cached = [("keys", keys), ("values", values)].flatMap { name, side in
            [(name, side.elements)] + (side.scales.map { [("scales of the \(name)", $0)] } ?? [])
        }
    }
}
