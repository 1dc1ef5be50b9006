import TensorCore
import TestSupport
import Testing

/// One store into the paged cache of the conformance list.
struct StoreCase: ConformanceCase {
    var dtype: DType
    var tokens: Int
    var headSize: Int
    var keyHeads: Int
    var group: Int
    /// `nil`: no rotation.
    var rotarySize: Int?
    var layout = RopeLayout.halfSplit
    var hasQuery = true
    var blockSize = 16
    /// Query, key and value are column ranges of one `[T, (H + 2 KH) D]` tensor.
    var isFused = false

    var cost: Int { tokens * headSize * keyHeads * (group + 2) }
    var name: String {
        "\(dtype.rawValue) T=\(tokens) D=\(headSize) KH=\(keyHeads) G=\(group) L=\(blockSize) "
            + (rotarySize.map { "\(layout.rawValue) rotary=\($0)" } ?? "no rope")
            + (hasQuery ? "" : " no query") + (isFused ? " fused" : "")
    }

    static let all: [StoreCase] = [DType.float32, .float16, .bfloat16].flatMap { dtype in
        [1, 5, 17, 65].flatMap { tokens in
            [
                StoreCase(dtype: dtype, tokens: tokens, headSize: 64, keyHeads: 2, group: 3),
                StoreCase(dtype: dtype, tokens: tokens, headSize: 1, keyHeads: 1, group: 1, hasQuery: false),
                StoreCase(
                    dtype: dtype, tokens: tokens, headSize: 10, keyHeads: 3, group: 2, hasQuery: false, isFused: true),
                StoreCase(
                    dtype: dtype, tokens: tokens, headSize: 64, keyHeads: 2, group: 4, rotarySize: 64, isFused: true),
                StoreCase(dtype: dtype, tokens: tokens, headSize: 80, keyHeads: 4, group: 1, rotarySize: 32),
                StoreCase(
                    dtype: dtype, tokens: tokens, headSize: 10, keyHeads: 1, group: 7, rotarySize: 6, blockSize: 4),
                StoreCase(
                    dtype: dtype, tokens: tokens, headSize: 128, keyHeads: 1, group: 8, rotarySize: 128,
                    layout: .interleaved, blockSize: 32, isFused: true),
                StoreCase(
                    dtype: dtype, tokens: tokens, headSize: 16, keyHeads: 2, group: 2, rotarySize: 8,
                    layout: .interleaved, hasQuery: false),
                StoreCase(
                    dtype: dtype, tokens: tokens, headSize: 256, keyHeads: 1, group: 2, rotarySize: 256, blockSize: 1),
            ]
        }
    }
}

@Suite("key/value cache")
struct CacheTests {
    @Test("storeKeyValue", arguments: StoreCase.all.selected)
    func stores(_ one: StoreCase) {
        let host = StoreHost(one)
        onEveryDevice(one.name) { backend, expectations in
            let device = try StoreDevice(backend, one, host)
            let rope = try host.rope.map { try DeviceRope(backend, $0) }
            try backend.storeKeyValue(
                query: one.hasQuery ? device.query.tensor : nil, key: device.key.tensor, value: device.value.tensor,
                slots: device.slots.tensor, into: device.layer, rope: rope?.arguments)
            try check(one, host, device, expectations)
            try rope?.expectUnchanged(expectations)
        }
    }

    private func check(_ one: StoreCase, _ host: StoreHost, _ device: StoreDevice, _ expectations: Expectations) throws
    {
        try expectations.identical(
            device.values, NumberFormats.encode(host.expectedValues.values, as: one.dtype), "value cache")
        if host.rope == nil {
            try expectations.identical(
                device.keys, NumberFormats.encode(host.expectedKeys.values, as: one.dtype), "key cache")
        } else {
            try checkRotatedKeys(one, host, device, expectations)
        }
        try expectations.unchanged(device.slots, "slots")
        // A fused tensor holds the query too, which the caller asked to rotate.
        let expectedRow = host.rope != nil && one.hasQuery ? host.rotatedInput : host.input
        if one.isFused {
            try expectations.close(device.whole, expectedRow, bound: 1e-13, "query, key and value")
        } else {
            try expectations.unchanged(device.key, "key")
            try expectations.unchanged(device.value, "value")
            try expectations.close(
                device.query, host.columns(0..<host.queryColumns, of: expectedRow), bound: 1e-13, "query")
        }
    }

    /// Rotated keys may round to the neighbouring 16-bit value, so they are compared by error; the slots that nobody
    /// stored to must still hold what they held.
    private func checkRotatedKeys(
        _ one: StoreCase, _ host: StoreHost, _ device: StoreDevice, _ expectations: Expectations
    ) throws {
        let (bytes, damage) = try device.keys.contents()
        if let damage { expectations.fail("key cache: \(damage)") }
        let found = NumberFormats.decode(bytes, as: one.dtype)
        let stored = host.expectedKeys.values.indices.filter { !host.expectedKeys.values[$0].isNaN }
        let untouched = found.indices.allSatisfy { host.expectedKeys.values[$0].isNaN == found[$0].isNaN }
        expectations.expect(untouched, "key cache: a slot was written that should not be, or not written")
        // The reference is not rounded to the cache's type: half a unit in the last place, squared, over three.
        let bound = one.dtype == .float32 ? 1e-13 : one.dtype == .float16 ? 1e-7 : 6e-6
        let error = normalizedMeanSquaredError(
            stored.map { found[$0] }, stored.map { Double(host.expectedKeys.values[$0]) })
        expectations.expect(error <= bound, "key cache: NMSE \(error) over \(bound)")
    }

    @Test(
        "copyBlocks", arguments: [DType.float32, .float16, .bfloat16],
        [[[0, 3]], [[5, 1], [5, 2]], [[0, 6], [2, 5], [1, 4], [3, 7]]])
    func copiesBlocks(dtype: DType, pairs: [[Int]]) {
        let name = "copyBlocks \(dtype.rawValue) \(pairs)"
        for (heads, blockSize, headSize) in [(1, 1, 1), (2, 16, 10), (3, 4, 33), (4, 16, 64)] {
            var random = SplitMix64(name: name)
            var keys = ReferenceCache(
                blockCount: 8, headCount: heads, blockSizeInTokens: blockSize, headSize: headSize)
            var values = keys
            keys.values = random.floats(keys.values.count)
            values.values = random.floats(keys.values.count)
            let before = (keys, values)
            let list = pairs.map { (from: $0[0], to: $0[1]) }
            keys.copyBlocks(list)
            values.copyBlocks(list)
            let expected = (keys, values)
            onEveryDevice("\(name) KH=\(heads) L=\(blockSize) D=\(headSize)") { backend, expectations in
                let keyTensor = try GuardedTensor(
                    on: backend, dtype, before.0.shape, bytes: NumberFormats.encode(before.0.values, as: dtype))
                let valueTensor = try GuardedTensor(
                    on: backend, dtype, before.0.shape, bytes: NumberFormats.encode(before.1.values, as: dtype))
                let pairTensor = try GuardedTensor(on: backend, pairs.flatMap { $0.map(Int32.init) }, [pairs.count, 2])
                try backend.copyBlocks(
                    pairTensor.tensor, in: KVCacheLayer(keys: keyTensor.tensor, values: valueTensor.tensor))
                try expectations.identical(keyTensor, NumberFormats.encode(expected.0.values, as: dtype), "keys")
                try expectations.identical(valueTensor, NumberFormats.encode(expected.1.values, as: dtype), "values")
                try expectations.unchanged(pairTensor, "pairs")
            }
        }
    }
}

/// The host side of one store: inputs, slots and what the cache must hold.
private struct StoreHost {
    let queryColumns: Int
    let keyColumns: Int
    /// Query, key and value side by side, before and after rotation of the query.
    let input: Matrix
    let rotatedInput: Matrix
    let slots: [Int32]
    let rope: Reference.Rope?
    let expectedKeys: ReferenceCache
    let expectedValues: ReferenceCache

    init(_ one: StoreCase) {
        var random = one.random
        queryColumns = one.keyHeads * one.group * one.headSize
        keyColumns = one.keyHeads * one.headSize
        let columns = queryColumns + 2 * keyColumns
        let input = Matrix(rows: one.tokens, columns: columns, floats: random.floats(one.tokens * columns))
        let blocks = (one.tokens + one.blockSize - 1) / one.blockSize + 2
        slots = random.permutation(blocks * one.blockSize).prefix(one.tokens).map(Int32.init)
        let positions = random.int32s(one.tokens, in: 0..<200)
        rope = one.rotarySize.map {
            Reference.Rope(
                table: Reference.ropeTable(positions: 200, rotarySize: $0), positions: positions, rotarySize: $0,
                layout: one.layout)
        }
        self.input = input
        let (q, k, v) = (queryColumns, queryColumns + keyColumns, columns)
        var query = StoreHost.columns(0..<q, of: input)
        var key = StoreHost.columns(q..<k, of: input)
        if let rope {
            query = Reference.rope(query, headSize: one.headSize, rope)
            key = Reference.rope(key, headSize: one.headSize, rope)
        }
        var rotated = input
        for t in 0..<one.tokens {
            for column in 0..<q { rotated[t, column] = query[t, column] }
        }
        rotatedInput = rotated
        let empty = ReferenceCache(
            blockCount: blocks, headCount: one.keyHeads, blockSizeInTokens: one.blockSize, headSize: one.headSize)
        (expectedKeys, expectedValues) = (
            StoreHost.filled(empty, key, slots), StoreHost.filled(empty, StoreHost.columns(k..<v, of: input), slots)
        )
    }

    private static func filled(_ empty: ReferenceCache, _ rows: Matrix, _ slots: [Int32]) -> ReferenceCache {
        var cache = empty
        cache.store(rows, slots: slots)
        return cache
    }

    static func columns(_ range: Range<Int>, of matrix: Matrix) -> Matrix {
        Matrix(
            rows: matrix.rows, columns: range.count,
            values: (0..<matrix.rows).flatMap { Array(matrix.row($0)[range]) })
    }

    func columns(_ range: Range<Int>, of matrix: Matrix) -> Matrix { StoreHost.columns(range, of: matrix) }
}

/// The tensors of one store.
private struct StoreDevice {
    let whole: GuardedTensor
    let query: GuardedTensor
    let key: GuardedTensor
    let value: GuardedTensor
    let slots: GuardedTensor
    let keys: GuardedTensor
    let values: GuardedTensor
    let layer: KVCacheLayer

    init(_ backend: any Backend, _ one: StoreCase, _ host: StoreHost) throws {
        let (q, k) = (host.queryColumns, host.keyColumns)
        let all = try GuardedTensor(on: backend, host.input.values.map(Float.init), [one.tokens, q + 2 * k])
        let ranges = [0..<q, q..<q + k, q + k..<q + 2 * k]
        let apart = try ranges.map { range in
            if one.isFused { return all.columns(range) }
            let values = StoreHost.columns(range, of: host.input).values.map(Float.init)
            return try GuardedTensor(on: backend, values, [one.tokens, range.count], gap: 3)
        }
        whole = all
        (query, key, value) = (apart[0], apart[1], apart[2])
        slots = try GuardedTensor(on: backend, host.slots, [one.tokens])
        // Slots that nothing is stored to hold the reference's NaN.
        let empty = [Float](repeating: .nan, count: host.expectedKeys.values.count)
        let bytes = NumberFormats.encode(empty, as: one.dtype)
        keys = try GuardedTensor(on: backend, one.dtype, host.expectedKeys.shape, bytes: bytes)
        values = try GuardedTensor(on: backend, one.dtype, host.expectedKeys.shape, bytes: bytes)
        layer = KVCacheLayer(keys: keys.tensor, values: values.tensor)
    }
}
