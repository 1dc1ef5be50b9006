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

    static let all: [StoreCase] = KVCacheLayer.dtypes.flatMap { dtype in
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
        try checkCache(
            device.values, host.expectedValues, isExact: one.dtype != .int8, one, expectations, "value cache")
        let isExact = host.rope == nil && one.dtype != .int8
        try checkCache(device.keys, host.expectedKeys, isExact: isExact, one, expectations, "key cache")
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

    /// Rotated keys may round to the neighbouring value, and so may levels, so they are compared by error; the slots that
    /// nobody stored to must still hold what they held.
    private func checkCache(
        _ side: GuardedCacheSide, _ expected: ReferenceCache, isExact: Bool, _ one: StoreCase,
        _ expectations: Expectations, _ what: String
    ) throws {
        let (encoded, damage) = try side.contents()
        if let damage { expectations.fail("\(what): \(damage)") }
        if isExact {
            expectations.expect(encoded == expected.encoded(as: one.dtype), "\(what): other bytes than expected")
            return
        }
        let found = try side.values().cache.values
        let stored = expected.values.indices.filter { !expected.values[$0].isNaN }
        let untouched = found.indices.allSatisfy { expected.values[$0].isNaN == found[$0].isNaN }
        expectations.expect(untouched, "\(what): a slot was written that should not be, or not written")
        let error = normalizedMeanSquaredError(
            stored.map { found[$0] }, stored.map { Double(expected.values[$0]) })
        let bound = StoreError.bound(one.dtype)
        expectations.expect(error <= bound, "\(what): NMSE \(error) over \(bound)")
        if let scales = encoded.scales { checkScales(scales, found, expected, expectations, what) }
    }

    /// Each row's scale is its largest magnitude over 127, and no element is further off than half a level.
    private func checkScales(
        _ scales: [Float], _ found: [Float], _ expected: ReferenceCache, _ expectations: Expectations, _ what: String
    ) {
        for (row, scale) in scales.enumerated() {
            let range = row * expected.headSize..<(row + 1) * expected.headSize
            let wanted = ReferenceCache.levels(of: expected.values[range]).scale
            guard !wanted.isNaN else { continue }
            expectations.expect(
                abs(scale - wanted) <= wanted * 1e-5, "\(what): scale \(scale) of row \(row), not \(wanted)")
            let worst = range.map { abs(found[$0] - expected.values[$0]) }.max() ?? 0
            expectations.expect(worst <= 0.501 * wanted, "\(what): row \(row) is off by \(worst) of \(wanted) a level")
        }
    }

    @Test("int8 rows of zeros, of tiny and of large numbers, and with NaN or infinities")
    func difficultRows() throws {
        let rows: [[Float]] = [
            [0, 0, -0.0], [0x1p-133, -0x1p-130, 0], [1e-37, 0, -2e-38], [3e38, -1e38, 1], [1, .nan, 2],
            [.infinity, 1, 0],
            [1, 2, -.infinity], [-5, 2.5, 0.01], [.nan, .infinity, -.infinity], [127, 0.5, -1.5],
        ]
        for headSize in [3, 16, 37] {
            let padded = rows.map { $0 + [Float](repeating: $0[2] / 2, count: headSize - 3) }
            let matrix = Matrix(rows: rows.count, columns: headSize, floats: padded.flatMap { $0 })
            var expected = ReferenceCache(
                blockCount: 3, headCount: 1, blockSizeInTokens: 4, headSize: headSize)
            let slots = (0..<Int32(rows.count)).map { $0 + 1 }
            let empty = expected
            expected.store(matrix, slots: slots)
            let wanted = expected.encoded(as: .int8)
            onEveryDevice("int8 rows, D=\(headSize)") { backend, expectations in
                let keys = try GuardedCacheSide(on: backend, empty, as: .int8)
                let values = try GuardedCacheSide(on: backend, empty, as: .int8)
                let input = try GuardedTensor(on: backend, padded.flatMap { $0 }, [rows.count, headSize])
                let slotTensor = try GuardedTensor(on: backend, slots, [rows.count])
                try backend.storeKeyValue(
                    query: nil, key: input.tensor, value: input.tensor, slots: slotTensor.tensor,
                    into: KVCacheLayer(keys: keys, values: values), rope: nil)
                for (side, what) in [(keys, "keys"), (values, "values")] {
                    let (found, damage) = try side.contents()
                    if let damage { expectations.fail("\(what): \(damage)") }
                    for (row, scale) in (found.scales ?? []).enumerated() {
                        let (range, right) = (row * headSize..<(row + 1) * headSize, wanted.scales?[row] ?? 0)
                        let isScale = right.isNaN ? scale.isNaN : abs(scale - right) <= right * 1e-5
                        expectations.expect(isScale, "\(what): scale \(scale) of row \(row), not \(right)")
                        let isRow = zip(found.elements[range], wanted.elements[range]).allSatisfy {
                            abs(Int(Int8(bitPattern: $0)) - Int(Int8(bitPattern: $1))) <= (right > 0 ? 1 : 0)
                        }
                        expectations.expect(isRow, "\(what): other levels in row \(row)")
                    }
                }
            }
        }
    }

    @Test(
        "copyBlocks", arguments: KVCacheLayer.dtypes,
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
            let expected = (keys.encoded(as: dtype), values.encoded(as: dtype))
            onEveryDevice("\(name) KH=\(heads) L=\(blockSize) D=\(headSize)") { backend, expectations in
                let keySide = try GuardedCacheSide(on: backend, before.0, as: dtype)
                let valueSide = try GuardedCacheSide(on: backend, before.1, as: dtype)
                let pairTensor = try GuardedTensor(on: backend, pairs.flatMap { $0.map(Int32.init) }, [pairs.count, 2])
                try backend.copyBlocks(pairTensor.tensor, in: KVCacheLayer(keys: keySide, values: valueSide))
                for (side, wanted, what) in [(keySide, expected.0, "keys"), (valueSide, expected.1, "values")] {
                    let (found, damage) = try side.contents()
                    if let damage { expectations.fail("\(what): \(damage)") }
                    expectations.expect(found == wanted, "\(what): other bytes than expected")
                }
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
    let keys: GuardedCacheSide
    let values: GuardedCacheSide
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
        var empty = host.expectedKeys
        empty.values = [Float](repeating: .nan, count: empty.values.count)
        keys = try GuardedCacheSide(on: backend, empty, as: one.dtype)
        values = try GuardedCacheSide(on: backend, empty, as: one.dtype)
        layer = KVCacheLayer(keys: keys, values: values)
    }
}

/// How far stored values may be from what was to be stored.
enum StoreError {
    /// Half a unit in the last place, squared, over three; for int8 a uniform error in a level, some 2e-5 of rows whose
    /// largest element is about twice their root mean square.
    static func bound(_ dtype: DType) -> Double {
        switch dtype {
        case .float32: 1e-13
        case .float16: 1e-7
        case .int8: 5e-5
        default: 6e-6
        }
    }
}
