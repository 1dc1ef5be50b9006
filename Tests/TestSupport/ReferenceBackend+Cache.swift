public import TensorCore

extension ReferenceBackend {
    public func rope(_ x: Tensor, headSize: Int, _ arguments: RopeArguments) throws {
        let rotation = try rotation("rope", arguments, rows: x.rows, headSize: headSize)
        try require("rope", "x", x, [x.rows, x.columns])
        try require("rope", x.columns % headSize == 0, "\(x.columns) columns are no whole heads of \(headSize)")
        launch("rope")
        store(Reference.rope(matrix(x), headSize: headSize, rotation), to: x)
    }

    private func rotation(
        _ op: String, _ arguments: RopeArguments, rows: Int, headSize: Int
    ) throws -> Reference.Rope {
        let size = arguments.rotarySize
        try require(op, headSize > 0 && size > 0 && size % 2 == 0 && size <= headSize, "rotary size \(size)")
        try require(op, "positions", arguments.positions, [rows], .int32)
        try require(op, "table", arguments.table, [arguments.table.rows, size])
        return Reference.Rope(
            table: elements(arguments.table, as: Float.self), positions: elements(arguments.positions, as: Int32.self),
            rotarySize: size, layout: arguments.layout)
    }

    public func storeKeyValue(
        query: Tensor?, key: Tensor, value: Tensor, slots: Tensor, into cache: KVCacheLayer, rope: RopeArguments?
    ) throws {
        let (op, rows, columns) = ("storeKeyValue", key.rows, cache.headCount * cache.headSize)
        try require(op, "key", key, [rows, columns])
        try require(op, "value", value, [rows, columns])
        try require(op, "slots", slots, [rows], .int32)
        try requireCache(op, cache)
        let rotation = try rope.map { try self.rotation(op, $0, rows: rows, headSize: cache.headSize) }
        if let query {
            try require(op, "query", query, [rows, query.columns])
            try require(op, query.columns % cache.headSize == 0, "the query's columns are no whole heads")
        }
        launch(op)
        let list = elements(slots, as: Int32.self)
        let rotate = { (x: Matrix) in rotation.map { Reference.rope(x, headSize: cache.headSize, $0) } ?? x }
        if let query { store(rotate(matrix(query)), to: query) }
        for (side, rows) in [(cache.keys, rotate(matrix(key))), (cache.values, matrix(value))] {
            var host = load(side)
            host.store(rows, slots: list)
            save(host, to: side)
        }
    }

    public func copyBlocks(_ pairs: Tensor, in cache: KVCacheLayer) throws {
        try require("copyBlocks", pairs.shape.rank == 2, "pairs have shape \(pairs.shape)")
        try require("copyBlocks", "pairs", pairs, [pairs.rows, 2], .int32)
        try requireCache("copyBlocks", cache)
        launch("copyBlocks")
        let list = elements(pairs, as: Int32.self)
        for side in [cache.keys, cache.values] {
            var host = load(side)
            host.copyBlocks((0..<pairs.rows).map { (from: Int(list[2 * $0]), to: Int(list[2 * $0 + 1])) })
            save(host, to: side)
        }
    }

    public func attention(
        query: Tensor, cache: KVCacheLayer, batch: AttentionBatch, parameters: AttentionParameters,
        into output: Tensor
    ) throws {
        let (op, heads, count) = ("attention", parameters.headCount, batch.sequenceCount)
        try requireCache(op, cache)
        try require(op, heads > 0 && heads % cache.headCount == 0, "\(heads) query heads")
        try require(op, "query", query, [batch.tokenCount, heads * cache.headSize])
        try require(op, "output", output, [batch.tokenCount, heads * cache.headSize])
        try require(op, "queryOffsets", batch.queryOffsets, [count + 1], .int32)
        try require(op, "contextLengths", batch.contextLengths, [count], .int32)
        try require(op, "blockTables", batch.blockTables, [count, batch.blockTables.columns], .int32)
        try require(
            op, batch.maxContextLength <= batch.blockTables.columns * cache.blockSizeInTokens,
            "the longest context is longer than the block tables")
        launch(op)
        let offsets = elements(batch.queryOffsets, as: Int32.self)
        let lengths = elements(batch.contextLengths, as: Int32.self)
        let tables = elements(batch.blockTables, as: Int32.self)
        let width = batch.blockTables.columns
        let sequences = (0..<count).map { s in
            Reference.Sequence(
                queryCount: Int(offsets[s + 1] - offsets[s]), contextLength: Int(lengths[s]),
                blocks: Array(tables[s * width..<(s + 1) * width]))
        }
        store(
            Reference.attention(
                query: matrix(query), keys: load(cache.keys), values: load(cache.values), sequences: sequences,
                parameters: parameters), to: output)
    }

    private func requireCache(_ op: String, _ cache: KVCacheLayer) throws {
        try require(op, [.float32, .float16, .bfloat16].contains(cache.dtype), "a cache of \(cache.dtype)")
    }

    private func load(_ side: Tensor) -> ReferenceCache {
        var host = ReferenceCache(
            blockCount: side.shape[0], headCount: side.shape[1], blockSizeInTokens: side.shape[2],
            headSize: side.shape[3])
        host.values = NumberFormats.decode(bytes(side), as: side.dtype)
        return host
    }

    private func save(_ host: ReferenceCache, to side: Tensor) {
        setBytes(NumberFormats.encode(host.values, as: side.dtype), of: side)
    }
}
