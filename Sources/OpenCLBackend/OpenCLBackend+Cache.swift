public import TensorCore

extension ProgramDescriptor {
    static let cache = ProgramDescriptor("cache", sources: ["cache/store_key_value.cl", "cache/copy_blocks.cl"])
}

extension KernelDescriptor {
    private static let storeArguments: [ArgumentKind] = [
        .optionalTensor, .tensor, .tensor, .tensor, .tensor, .tensor, .optionalTensor, .optionalTensor,
        .uint32, .uint32, .uint32, .uint32, .uint32, .uint32, .uint32, .uint32, .uint32, .uint32,
    ]
    private static let copyArguments: [ArgumentKind] = [.tensor, .tensor, .tensor, .uint32, .uint32]
    static let storeKeyValueF32 = KernelDescriptor(.cache, "store_key_value_f32", storeArguments)
    static let storeKeyValueF16 = KernelDescriptor(.cache, "store_key_value_f16", storeArguments)
    static let storeKeyValueBF16 = KernelDescriptor(.cache, "store_key_value_bf16", storeArguments)
    static let copyBlocksB32 = KernelDescriptor(.cache, "copy_blocks_b32", copyArguments)
    static let copyBlocksB16 = KernelDescriptor(.cache, "copy_blocks_b16", copyArguments)
}

extension OpenCLBackend {
    public func storeKeyValue(
        query: Tensor?, key: Tensor, value: Tensor, slots: Tensor, into cache: KVCacheLayer, rope: RopeArguments?
    ) throws {
        // Without a rotation there is nothing to do to the query.
        let query = rope == nil ? nil : query
        let store = StoreCall(query: query, key: key, value: value, slots: slots, cache: cache, rope: rope)
        try store.check("storeKeyValue")
        let (tokens, keyHeads, headSize) = (store.tokens, cache.headCount, cache.headSize)
        let heads = (query?.columns ?? 0) / headSize
        let kernel: KernelDescriptor =
            switch cache.dtype {
            case .float32: .storeKeyValueF32
            case .float16: .storeKeyValueF16
            case .bfloat16: .storeKeyValueBF16
            default: throw unsupportedCache("storeKeyValue", cache)
            }
        let elements = tokens * headSize
        try launch(
            kernel, headItems(elements: headSize, heads: heads + 2 * keyHeads, tokens: tokens), query, key, value,
            slots, cache.keys, cache.values, rope?.table, rope?.positions, UInt32(tokens), UInt32(heads),
            UInt32(keyHeads), UInt32(headSize), UInt32(cache.blockSizeInTokens), query.stride32, key.stride32,
            value.stride32, UInt32(rope?.rotarySize ?? 0), rope?.layout.kernelCode ?? 0,
            cost: LaunchCost(
                bytes: elements * (8 * heads + 2 * keyHeads * (4 + cache.dtype.byteCount)),
                flops: rope == nil ? 0 : 3 * elements * (heads + keyHeads)))
    }

    public func copyBlocks(_ pairs: Tensor, in cache: KVCacheLayer) throws {
        let checks = ShapeChecks(op: "copyBlocks")
        try checks.require(pairs.columns == 2 || pairs.shape.elementCount == 0, "pairs has shape \(pairs.shape)")
        try checks.vector(pairs, "pairs", count: pairs.shape.elementCount, dtype: .int32)
        let blockElements = cache.headCount * cache.blockSizeInTokens * cache.headSize
        let kernel: KernelDescriptor =
            switch cache.dtype.byteCount {
            case 4: .copyBlocksB32
            case 2: .copyBlocksB16
            default: throw unsupportedCache("copyBlocks", cache)
            }
        let count = pairs.shape.elementCount / 2
        try launch(
            kernel, vectorItems(columns: blockElements, rows: count), pairs, cache.keys, cache.values, UInt32(count),
            UInt32(blockElements),
            cost: LaunchCost(bytes: 4 * count * blockElements * cache.dtype.byteCount, flops: 0))
    }

    private func unsupportedCache(_ op: String, _ cache: KVCacheLayer) -> BackendError {
        .unsupported(op: op, reason: "the cache's element type \(cache.dtype) is none of float32, float16, bfloat16")
    }
}

/// One store into the cache.
struct StoreCall {
    let query: Tensor?
    let key: Tensor
    let value: Tensor
    let slots: Tensor
    let cache: KVCacheLayer
    let rope: RopeArguments?

    var tokens: Int { slots.shape.elementCount }

    func check(_ op: String) throws {
        let (keyHeads, headSize) = (cache.headCount, cache.headSize)
        let checks = ShapeChecks(op: op)
        try checks.vector(slots, "slots", count: tokens, dtype: .int32)
        try checks.matrix(key, "key", rows: tokens, columns: keyHeads * headSize)
        try checks.matrix(value, "value", rows: tokens, columns: keyHeads * headSize)
        try checks.require(headSize > 0, "the cache's heads are empty")
        if let query {
            try checks.matrix(query, "query", rows: tokens, columns: query.columns)
            try checks.require(
                query.columns % headSize == 0,
                "query has \(query.columns) columns, no whole number of heads of \(headSize)")
        }
        if let rope { try checks.rope(rope, tokens: tokens, headSize: headSize) }
    }
}
