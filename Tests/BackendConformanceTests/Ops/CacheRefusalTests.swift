import TensorCore
import TestSupport
import Testing

/// Wrong arguments of the cache and attention ops.
@Suite("refusals of the cache and attention")
struct CacheRefusalTests {
    private func float(_ backend: any Backend, _ shape: Shape) throws -> GuardedTensor {
        try GuardedTensor(on: backend, [Float](repeating: 0.5, count: shape.elementCount), shape)
    }

    private func int(_ backend: any Backend, _ shape: Shape) throws -> GuardedTensor {
        try GuardedTensor(on: backend, [Int32](repeating: 0, count: shape.elementCount), shape)
    }

    private func layer(_ backend: any Backend, _ dtype: DType = .float32) throws -> (GuardedTensor, KVCacheLayer) {
        let keys = try GuardedTensor(on: backend, dtype, [3, 2, 4, 8])
        let values = try GuardedTensor(on: backend, dtype, [3, 2, 4, 8])
        return (keys, KVCacheLayer(keys: keys.tensor, values: values.tensor))
    }

    @Test("storeKeyValue and copyBlocks")
    func store() {
        onEveryDevice("refused store") { backend, expectations in
            func refuse(
                _ what: String, dtype: DType = .float32, query: Shape? = nil, key: Shape = [2, 16],
                value: Shape = [2, 16], slots: Shape = [2], rope: RopeArguments? = nil
            ) throws {
                let (keys, cache) = try layer(backend, dtype)
                let queryTensor = try query.map { try float(backend, $0) }
                let (keyTensor, valueTensor) = (try float(backend, key), try float(backend, value))
                let slotTensor = try int(backend, slots)
                let outputs = [keys] + (queryTensor.map { [$0] } ?? [])
                try expectations.refuses(backend, "storeKeyValue with \(what)", writing: outputs) {
                    try backend.storeKeyValue(
                        query: queryTensor?.tensor, key: keyTensor.tensor, value: valueTensor.tensor,
                        slots: slotTensor.tensor, into: cache, rope: rope)
                }
            }
            func rope(_ size: Int, positions: Int = 2) throws -> RopeArguments {
                RopeArguments(
                    table: try float(backend, [10, 2, size / 2]).tensor,
                    positions: try int(backend, [positions]).tensor,
                    rotarySize: size, layout: .halfSplit)
            }
            try refuse("narrow keys", key: [2, 15])
            try refuse("wide values", value: [2, 17])
            try refuse("values of other rows", value: [3, 16])
            try refuse("too few slots", slots: [1])
            try refuse("a cache of int32", dtype: .int32)
            try refuse("a rotary size over the head's", rope: try rope(10))
            try refuse("too few positions", rope: try rope(8, positions: 1))
            try refuse("a query of no whole heads", query: [2, 15], rope: try rope(8))
            try refuse("a query of other rows", query: [3, 16], rope: try rope(8))
            let (keys, cache) = try layer(backend)
            for pairs: Shape in [[2, 3], [2, 1], [4]] {
                let tensor = try int(backend, pairs)
                try expectations.refuses(backend, "copyBlocks of pairs \(pairs)", writing: [keys]) {
                    try backend.copyBlocks(tensor.tensor, in: cache)
                }
            }
        }
    }

    @Test("attention without a cache")
    func encoderAttention() {
        onEveryDevice("refused attention without a cache") { backend, expectations in
            func refuse(
                _ what: String, query: Shape = [3, 32], key: Shape = [5, 32], value: Shape = [5, 32],
                output: Shape = [3, 32], heads: Int = 4, offsets: Shape = [2], ranges: Shape = [1, 2],
                maxQueryCount: Int = 3, maxKeyCount: Int = 5, scale: Float = 1, bias: Shape? = nil
            ) throws {
                let (input, out) = (try float(backend, query), try float(backend, output))
                let (keys, values) = (try float(backend, key), try float(backend, value))
                let batch = EncoderAttentionBatch(
                    queryOffsets: try int(backend, offsets).tensor, keyRanges: try int(backend, ranges).tensor,
                    tokenCount: 3, maxQueryCount: maxQueryCount, maxKeyCount: maxKeyCount)
                let table = try bias.map { RelativePositionBias(table: try float(backend, $0).tensor) }
                try expectations.refuses(backend, "attention without a cache with \(what)", writing: [out]) {
                    try backend.encoderAttention(
                        query: input.tensor, key: keys.tensor, value: values.tensor, batch: batch,
                        parameters: EncoderAttentionParameters(headCount: heads, scale: scale), bias: table,
                        into: out.tensor)
                }
            }
            try refuse("a narrow query", query: [3, 31])
            try refuse("a query of other rows", query: [2, 32])
            try refuse("a narrow output", output: [3, 31])
            try refuse("narrow keys", key: [5, 24])
            try refuse("values of other rows", value: [4, 32])
            try refuse("no heads", heads: 0)
            try refuse("heads that do not divide the columns", heads: 5)
            try refuse("heads of 512", query: [3, 512], key: [5, 512], value: [5, 512], output: [3, 512], heads: 1)
            try refuse("too few query offsets", offsets: [1])
            try refuse("ranges of three", ranges: [1, 3])
            try refuse("more queries than tokens", maxQueryCount: 4)
            try refuse("more keys than rows", maxKeyCount: 6)
            try refuse("a bias of other heads", bias: [3, 7])
            for scale: Float in [.nan, .infinity] { try refuse("a scale of \(scale)", scale: scale) }
        }
    }

    @Test("attention")
    func attention() {
        onEveryDevice("refused attention") { backend, expectations in
            func refuse(
                _ what: String, query: Shape = [3, 32], output: Shape = [3, 32], heads: Int = 4,
                dtype: DType = .float32,
                tokenCount: Int = 3, offsets: Shape = [3], lengths: Shape = [2], tables: Shape = [2, 3],
                maxContextLength: Int = 12, maxQueryCount: Int = 2, scale: Float = 1, softCap: Float? = nil,
                window: Int? = nil
            ) throws {
                let (_, cache) = try layer(backend, dtype)
                let (input, out) = (try float(backend, query), try float(backend, output))
                let batch = AttentionBatch(
                    queryOffsets: try int(backend, offsets).tensor, contextLengths: try int(backend, lengths).tensor,
                    blockTables: try int(backend, tables).tensor, tokenCount: tokenCount,
                    maxQueryCount: maxQueryCount, maxContextLength: maxContextLength)
                try expectations.refuses(backend, "attention with \(what)", writing: [out]) {
                    try backend.attention(
                        query: input.tensor, cache: cache, batch: batch,
                        parameters: AttentionParameters(
                            headCount: heads, scale: scale, slidingWindow: window, softCap: softCap), into: out.tensor)
                }
            }
            for softCap: Float in [0, -1, .nan, .infinity] { try refuse("a soft-cap of \(softCap)", softCap: softCap) }
            for window in [0, -3] { try refuse("a window of \(window)", window: window) }
            for scale: Float in [.nan, .infinity] { try refuse("a scale of \(scale)", scale: scale) }
            for count in [-1, 4] { try refuse("\(count) queries of 3 tokens", maxQueryCount: count) }
            try refuse("a context shorter than its queries", maxContextLength: 1)
            try refuse("a narrow query", query: [3, 31])
            try refuse("a narrow output", output: [3, 31])
            try refuse("an output of other rows", output: [2, 32])
            try refuse("another count of tokens", tokenCount: 2)
            try refuse("heads that the key heads do not divide", query: [3, 24], output: [3, 24], heads: 3)
            try refuse("no heads", query: [3, 0], output: [3, 0], heads: 0)
            try refuse("too few query offsets", offsets: [2])
            try refuse("block tables of other rows", tables: [1, 3])
            try refuse("a context longer than the block tables", maxContextLength: 13)
            try refuse("a cache of int32", dtype: .int32)
        }
    }

    @Test("storeAndAttend", arguments: [1, 2])
    func storeAndAttend(maxQueryCount: Int) {
        onEveryDevice("refused store and attention") { backend, expectations in
            func refuse(_ what: String, key: Shape = [2, 16], slots: Shape = [2], positions: Int = 2) throws {
                let (keys, cache) = try layer(backend)
                let (query, out) = (try float(backend, [2, 32]), try float(backend, [2, 32]))
                let (keyTensor, value) = (try float(backend, key), try float(backend, [2, 16]))
                let slotTensor = try int(backend, slots)
                let rope = RopeArguments(
                    table: try float(backend, [10, 2, 4]).tensor, positions: try int(backend, [positions]).tensor,
                    rotarySize: 8, layout: .halfSplit)
                let batch = AttentionBatch(
                    queryOffsets: try int(backend, [3]).tensor, contextLengths: try int(backend, [2]).tensor,
                    blockTables: try int(backend, [2, 3]).tensor, tokenCount: 2, maxQueryCount: maxQueryCount,
                    maxContextLength: 12)
                let name = "storeAndAttend with \(what)"
                try expectations.refuses(backend, name, writing: [keys, query, out]) {
                    try backend.storeAndAttend(
                        query: query.tensor, key: keyTensor.tensor, value: value.tensor, slots: slotTensor.tensor,
                        rope: rope, cache: cache, batch: batch,
                        parameters: AttentionParameters(headCount: 4, scale: 1), into: out.tensor)
                }
            }
            try refuse("narrow keys", key: [2, 15])
            try refuse("too few slots", slots: [1])
            try refuse("too few positions", positions: 1)
        }
    }
}
