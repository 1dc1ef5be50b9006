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
        let (op, rows) = ("storeKeyValue", key.rows)
        try StoreArguments(query: query, key: key, value: value, slots: slots, cache: cache, rope: rope)
            .validate(capabilities)
        let rotation = try rope.map { try self.rotation(op, $0, rows: rows, headSize: cache.headSize) }
        launch(op)
        let list = elements(slots, as: Int32.self)
        let rotate = { (x: Matrix) in rotation.map { Reference.rope(x, headSize: cache.headSize, $0) } ?? x }
        if let query { store(rotate(matrix(query)), to: query) }
        store(rotate(matrix(key)), cache.keys, cache.keyScales, slots: list)
        store(matrix(value), cache.values, cache.valueScales, slots: list)
    }

    public func copyBlocks(_ pairs: Tensor, in cache: KVCacheLayer) throws {
        try require("copyBlocks", pairs.shape.rank == 2, "pairs have shape \(pairs.shape)")
        try require("copyBlocks", "pairs", pairs, [pairs.rows, 2], .int32)
        try requireCache("copyBlocks", cache)
        launch("copyBlocks")
        let list = elements(pairs, as: Int32.self)
        for tensor in [cache.keys, cache.values, cache.keyScales, cache.valueScales] {
            guard let tensor else { continue }
            let size = tensor.columns * tensor.dtype.byteCount
            let before = bytes(tensor)
            var after = before
            for pair in 0..<pairs.rows {
                let (from, to) = (Int(list[2 * pair]) * size, Int(list[2 * pair + 1]) * size)
                after.replaceSubrange(to..<to + size, with: before[from..<from + size])
            }
            setBytes(after, of: tensor)
        }
    }

    public func attention(
        query: Tensor, cache: KVCacheLayer, batch: AttentionBatch, parameters: AttentionParameters,
        into output: Tensor
    ) throws {
        let count = batch.sequenceCount
        try AttentionArguments(query: query, cache: cache, batch: batch, parameters: parameters, output: output)
            .validate(capabilities)
        launch("attention")
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
                query: matrix(query), keys: load(cache.keys, cache.keyScales),
                values: load(cache.values, cache.valueScales), sequences: sequences, parameters: parameters),
            to: output)
    }

    private func load(_ side: Tensor, _ scales: Tensor?) -> ReferenceCache {
        var host = ReferenceCache(
            blockCount: side.shape[0], headCount: side.shape[1], blockSizeInTokens: side.shape[2],
            headSize: side.shape[3])
        host.decode(.init(elements: bytes(side), scales: scales.map { elements($0, as: Float.self) }), as: side.dtype)
        return host
    }

    /// Writes the rows of `slots` alone, so that what is there already stays as it is, bit by bit.
    private func store(_ rows: Matrix, _ side: Tensor, _ scales: Tensor?, slots: [Int32]) {
        var host = load(side, scales)
        host.store(rows, slots: slots)
        let encoded = host.encoded(as: side.dtype)
        var stored = bytes(side)
        var storedScales = scales.map { elements($0, as: Float.self) }
        let rowByteCount = host.headSize * side.dtype.byteCount
        for slot in slots {
            for head in 0..<host.headCount {
                let row = host.index(slot: Int(slot), head: head) / host.headSize
                let range = row * rowByteCount..<(row + 1) * rowByteCount
                stored.replaceSubrange(range, with: encoded.elements[range])
                if let scales = encoded.scales { storedScales?[row] = scales[row] }
            }
        }
        setBytes(stored, of: side)
        if let scales, let storedScales { setBytes(storedScales.withUnsafeBytes { Array($0) }, of: scales) }
    }
}
