import TensorCore
import TestSupport
import Testing

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
