internal import CPUKernels
public import TensorCore

extension KVCacheLayer {
    var kernelCache: cpuk_cache {
        cpuk_cache(
            format: NumberFormat(dtype).kernelFormat, keys: keys.hostPointer, values: values.hostPointer,
            key_scales: keyScales?.floats,
            value_scales: valueScales?.floats, blocks: Int64(blockCount), kv_heads: Int64(headCount),
            block_tokens: Int64(blockSizeInTokens), head_size: Int64(headSize))
    }
}

extension CPUBackend {
    public func storeKeyValue(
        query: Tensor?, key: Tensor, value: Tensor, slots: Tensor, into cache: KVCacheLayer, rope: RopeArguments?
    ) throws {
        let op = "storeKeyValue"
        let store = StoreArguments(query: query, key: key, value: value, slots: slots, cache: cache, rope: rope)
        try store.validate(capabilities)
        let tokens = store.tokens
        var arguments = cpuk_store_args(
            query: query.floatRows, query_heads: Int64(store.queryHeads), key: key.floatRows,
            value: value.floatRows, slots: slots.int32s, tokens: Int64(tokens), cache: cache.kernelCache,
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
        try cache.validateCopy(pairs, capabilities)
        let count = pairs.shape.elementCount / 2
        var kernelCache = cache.kernelCache
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
