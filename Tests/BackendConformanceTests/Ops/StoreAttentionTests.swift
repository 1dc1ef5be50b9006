import OpCases
import TensorCore
import TestSupport
import Testing

/// One store with attention behind it of the conformance list.
struct StoreAttentionCase: ConformanceCase {
    var attention: AttentionCase
    /// `nil`: no rotation.
    var rotarySize: Int?
    var layout = RopeLayout.halfSplit

    var cost: Int { attention.cost }
    var name: String {
        attention.name + (rotarySize.map { " \(layout.rawValue) rotary=\($0)" } ?? " no rope")
    }

    /// Batches that decode, that mix, and in prefill.
    private static let batches: [[[Int]]] = [
        [[1, 1]], [[1, 16]], [[1, 17]], [[1, 144], [1, 145], [1, 9]], [[1, 2000], [1, 3]],
        [[1, 30], [13, 13], [1, 64], [5, 90]], [[2, 40]], [[33, 70]],
    ]

    static let all: [StoreAttentionCase] = KVCacheLayer.dtypes.flatMap { dtype in
        batches.flatMap { sequences in
            // The last group is more query heads than one pass over the keys takes. Formats differ in how a row is stored,
            // whole vectors and the rest, so that two sizes are enough for narrow ones.
            [(64, 3, 3), (10, 2, 7), (80, 2, 1), (128, 1, 10)].prefix(dtype == .float32 ? 4 : 2).flatMap {
                headSize, keyHeads, group in
                let attention = AttentionCase(
                    sequences: sequences, headSize: headSize, keyHeads: keyHeads, group: group, dtype: dtype,
                    gap: keyHeads)
                return [
                    StoreAttentionCase(attention: attention),
                    StoreAttentionCase(attention: attention, rotarySize: headSize),
                    StoreAttentionCase(attention: attention, rotarySize: headSize / 4 * 2, layout: .interleaved),
                ]
            }
        } + windows(dtype)
    }

    private static func windows(_ dtype: DType) -> [StoreAttentionCase] {
        [1, 20].flatMap { window in
            [[[1, 1], [1, 300]], [[1, 40], [20, 60]]].map { sequences in
                let attention = AttentionCase(
                    sequences: sequences, headSize: 64, keyHeads: 2, group: 2, dtype: dtype, blockSize: 4,
                    window: window, softCap: 20)
                return StoreAttentionCase(attention: attention, rotarySize: 64)
            }
        }
    }
}

@Suite("store and attention")
struct StoreAttentionTests {
    @Test("store and attention", arguments: StoreAttentionCase.all.selected)
    func storesAndAttends(_ one: StoreAttentionCase) {
        let host = StoreAttentionHost(one)
        let attention = one.attention
        onEveryDevice(one.name) { backend, expectations in
            let device = try AttentionDevice(backend, attention, host.before)
            let shape: Shape = [attention.tokenCount, attention.keyHeads * attention.headSize]
            let key = try GuardedTensor(on: backend, host.key, shape, gap: 3)
            let value = try GuardedTensor(on: backend, host.value, shape, gap: 2)
            let slots = try GuardedTensor(on: backend, host.slots, [host.slots.count])
            let rope = try host.rope.map { try DeviceRope(backend, $0) }
            let output = try GuardedTensor(on: backend, .float32, [attention.tokenCount, attention.columns], gap: 1)
            try backend.storeAndAttend(
                query: device.query.tensor, key: key.tensor, value: value.tensor, slots: slots.tensor,
                rope: rope?.arguments, cache: device.layer, batch: device.batch,
                parameters: host.before.parameters, into: output.tensor)
            let keys = try host.checked(device.keys, host.storedKeys, expectations, "key cache")
            let values = try host.checked(device.values, host.storedValues, expectations, "value cache")
            let expected = Reference.attention(
                query: host.rotatedQuery, keys: keys, values: values, sequences: host.before.sequences,
                parameters: host.before.parameters)
            try expectations.close(output, expected, bound: 1e-11, eachRow: true)
            let inputs = device.inputs.filter { $0.0 != "query" }
            for (name, tensor) in inputs + [("key", key), ("value", value), ("slots", slots)] {
                try expectations.unchanged(tensor, name)
            }
            try rope?.expectUnchanged(expectations)
        }
    }
}

/// The host side: a batch whose query tokens are not stored yet, and what the caches must hold afterwards.
private struct StoreAttentionHost {
    /// The batch, with NaN where the query tokens go.
    let before: AttentionHost
    let slots: [Int32]
    let key: [Float]
    let value: [Float]
    let rope: Reference.Rope?
    let rotatedQuery: Matrix
    let storedKeys: ReferenceCache
    let storedValues: ReferenceCache
    /// The largest error of the stored elements that is due to their rounding.
    private let bound: Double

    init(_ one: StoreAttentionCase) {
        let attention = one.attention
        var host = AttentionHost(attention)
        var random = one.random
        let positions = host.sequences.flatMap { $0.contextLength - $0.queryCount..<$0.contextLength }.map(Int32.init)
        let size = Int32(attention.blockSize)
        slots = host.sequences.flatMap { sequence in
            (sequence.contextLength - sequence.queryCount..<sequence.contextLength).map {
                sequence.blocks[$0 / attention.blockSize] * size + Int32($0 % attention.blockSize)
            }
        }
        rope = one.rotarySize.map {
            Reference.Rope(
                table: Reference.ropeTable(positions: 2001, rotarySize: $0), positions: positions, rotarySize: $0,
                layout: one.layout)
        }
        let columns = attention.keyHeads * attention.headSize
        key = random.floats(attention.tokenCount * columns, scale: 2)
        value = random.floats(attention.tokenCount * columns)
        var rotatedKey = Matrix(rows: attention.tokenCount, columns: columns, floats: key)
        var query = Matrix(rows: attention.tokenCount, columns: attention.columns, floats: host.query)
        if let rope {
            rotatedKey = Reference.rope(rotatedKey, headSize: attention.headSize, rope)
            query = Reference.rope(query, headSize: attention.headSize, rope)
        }
        rotatedQuery = query
        let nothing = [Float](repeating: .nan, count: attention.tokenCount * columns)
        host.keys.store(Matrix(rows: attention.tokenCount, columns: columns, floats: nothing), slots: slots)
        host.values.store(Matrix(rows: attention.tokenCount, columns: columns, floats: nothing), slots: slots)
        var (storedKeys, storedValues) = (host.keys, host.values)
        storedKeys.store(rotatedKey, slots: slots)
        storedValues.store(Matrix(rows: attention.tokenCount, columns: columns, floats: value), slots: slots)
        before = host
        (self.storedKeys, self.storedValues) = (storedKeys, storedValues)
        bound = StoreError.bound(attention.dtype)
    }

    /// What a cache holds now, found to be close to `expected` and unwritten elsewhere.
    func checked(
        _ cache: GuardedCacheSide, _ expected: ReferenceCache, _ expectations: Expectations, _ what: String
    ) throws -> ReferenceCache {
        let (found, damage) = try cache.values()
        if let damage { expectations.fail("\(what): \(damage)") }
        let stored = expected.values.indices.filter { !expected.values[$0].isNaN }
        let untouched = found.values.indices.allSatisfy { expected.values[$0].isNaN == found.values[$0].isNaN }
        expectations.expect(untouched, "\(what): a slot was written that should not be, or not written")
        let error = normalizedMeanSquaredError(
            stored.map { found.values[$0] }, stored.map { Double(expected.values[$0]) })
        expectations.expect(error <= bound, "\(what): NMSE \(error) over \(bound)")
        return found
    }
}
