import TensorCore
import TestSupport

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

/// The host side of one store: inputs, slots and what the cache must hold.
struct StoreHost {
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
struct StoreDevice {
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
    /// Half a unit in the last place, squared, over three; for int8 a uniform error within a quant, some 2e-5 of rows whose
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
