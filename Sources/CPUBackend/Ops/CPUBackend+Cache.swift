internal import CPUKernels
internal import NumberFormats
public import TensorCore

extension KVCacheLayer {
    /// - Throws: `BackendError.unsupported` for an element type or head size that no kernel takes.
    func kernelCache(_ op: String) throws -> cpuk_cache {
        let format: cpuk_format
        switch dtype {
        case .float32: format = NUMBER_FORMAT_F32
        case .float16: format = NUMBER_FORMAT_F16
        case .bfloat16: format = NUMBER_FORMAT_BF16
        case .int8: format = NUMBER_FORMAT_I8
        default: throw BackendError.unsupported(op: op, reason: "a cache of \(dtype)")
        }
        guard (1...256).contains(headSize), headCount > 0, blockSizeInTokens > 0 else {
            throw BackendError.unsupported(
                op: op, reason: "a cache of shape \(keys.shape); heads have 1 to 256 elements")
        }
        guard keys.isContiguous, values.isContiguous else {
            throw BackendError.unsupported(op: op, reason: "a cache whose blocks are not packed")
        }
        return cpuk_cache(
            format: format, keys: keys.hostPointer, values: values.hostPointer, key_scales: keyScales?.floats,
            value_scales: valueScales?.floats, blocks: Int64(blockCount), kv_heads: Int64(headCount),
            block_tokens: Int64(blockSizeInTokens), head_size: Int64(headSize))
    }
}

extension CPUBackend {
    public func storeKeyValue(
        query: Tensor?, key: Tensor, value: Tensor, slots: Tensor, into cache: KVCacheLayer, rope: RopeArguments?
    ) throws {
        let op = "storeKeyValue"
        let (tokens, columns) = (key.rows, cache.headCount * cache.headSize)
        try Check.matrix(op, "key", key, rows: tokens, columns: columns)
        try Check.matrix(op, "value", value, rows: tokens, columns: columns)
        try Check.vector(op, "slots", slots, count: tokens, dtype: .int32)
        let kernelCache = try cache.kernelCache(op)
        if let rope { try Check.rope(op, rope, tokens: tokens, headSize: cache.headSize) }
        if let query {
            guard query.columns % cache.headSize == 0 else {
                throw BackendError.shapeMismatch(
                    op: op, argument: "query", expected: "[T, H * \(cache.headSize)]", found: "\(query.shape)")
            }
            try Check.matrix(op, "query", query, rows: tokens, columns: query.columns)
        }
        var arguments = cpuk_store_args(
            query: query.floatRows, query_heads: Int64((query?.columns ?? 0) / cache.headSize), key: key.floatRows,
            value: value.floatRows, slots: slots.int32s, tokens: Int64(tokens), cache: kernelCache,
            rope: rope?.kernelArguments ?? cpuk_rope_args())
        let bad = launch(
            "store_key_value_\(cache.dtype)",
            byteCount: 2 * key.byteCount + 2 * tokens * cache.headCount * cache.rowByteCount
                + (rope == nil ? 0 : 2 * (query?.byteCount ?? 0)),
            isAccepted: { $0 < 0 }
        ) { cpuk_store_key_value(context, &arguments) }
        guard bad < 0 else {
            throw BackendError.invalidArgument(
                op: op, reason: "the slot or position of token \(bad) is out of range")
        }
    }

    public func copyBlocks(_ pairs: Tensor, in cache: KVCacheLayer) throws {
        let count = pairs.shape.elementCount / 2
        try Check.matrix("copyBlocks", "pairs", pairs, rows: count, columns: 2, dtype: .int32)
        try Check.vector("copyBlocks", "pairs", pairs, count: 2 * count, dtype: .int32)
        var kernelCache = try cache.kernelCache("copyBlocks")
        let blockByteCount = cache.headCount * cache.blockSizeInTokens * cache.rowByteCount
        let bad = launch("copy_blocks", byteCount: 4 * count * blockByteCount, isAccepted: { $0 < 0 }) {
            cpuk_copy_blocks(context, &kernelCache, pairs.int32s, Int64(count))
        }
        guard bad < 0 else {
            throw BackendError.invalidArgument(
                op: "copyBlocks", reason: "pair \(bad) names a block that is not in 0..<\(cache.blockCount)")
        }
    }
}
