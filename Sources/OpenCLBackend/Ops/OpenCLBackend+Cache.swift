public import TensorCore

extension ProgramDescriptor {
    /// - Parameter macro: names the format of the cache; `nil`: BF16.
    fileprivate static func store(_ macro: String?) -> ProgramDescriptor {
        ProgramDescriptor("store_key_value", sources: ["cache/store_key_value.cl"]) { _ in macro.map { [($0, 1)] } ?? []
        }
    }
    fileprivate static let storeInt8 = ProgramDescriptor(
        "store_key_value_i8", sources: ["cache/store_key_value_i8.cl"])
    fileprivate static func copy(bits: Int) -> ProgramDescriptor {
        ProgramDescriptor("copy_blocks", sources: ["cache/copy_blocks.cl"]) { _ in [("COPY_BITS", bits)] }
    }
}

extension KernelDescriptor {
    private static let storeInputs: [ArgumentKind] = [.optionalTensor, .tensor, .tensor, .tensor]
    private static let storePlaces: [ArgumentKind] = [.tensor, .tensor]
    private static let storeSizes: [ArgumentKind] =
        [.optionalTensor, .optionalTensor] + [ArgumentKind](repeating: .uint32, count: 10)
    private static let storeArguments: [ArgumentKind] = storeInputs + storePlaces + storeSizes
    private static let storeScales: [ArgumentKind] = [.optionalTensor, .optionalTensor]
    private static let storeInt8Arguments: [ArgumentKind] =
        storeInputs + storePlaces + storeScales + storeSizes.dropLast() + [.local]
    private static let copyArguments: [ArgumentKind] = [.tensor, .tensor, .tensor, .uint32, .uint32]
    static let storeKeyValueF32 = KernelDescriptor(
        .store("CACHE_F32"), "store_key_value_f32", storeArguments)
    static let storeKeyValueF16 = KernelDescriptor(
        .store("CACHE_F16"), "store_key_value_f16", storeArguments)
    static let storeKeyValueBF16 = KernelDescriptor(
        .store(nil), "store_key_value_bf16", storeArguments)
    static let storeKeyValueI8 = KernelDescriptor(
        .storeInt8, "store_key_value_i8", storeInt8Arguments)
    static let copyBlocksB32 = KernelDescriptor(.copy(bits: 32), "copy_blocks_b32", copyArguments)
    static let copyBlocksB16 = KernelDescriptor(.copy(bits: 16), "copy_blocks_b16", copyArguments)
    static let copyBlocksB8 = KernelDescriptor(.copy(bits: 8), "copy_blocks_b8", copyArguments)
}

extension OpenCLBackend {
    public func storeKeyValue(
        query: Tensor?, key: Tensor, value: Tensor, slots: Tensor, into cache: KVCacheLayer, rope: RopeArguments?
    ) throws {
        // Without a rotation the query stays as it is.
        let query = rope == nil ? nil : query
        let store = StoreArguments(query: query, key: key, value: value, slots: slots, cache: cache, rope: rope)
        try store.validate(capabilities)
        switch cache.dtype {
        case .float32: try launch(.storeKeyValueF32, store)
        case .float16: try launch(.storeKeyValueF16, store)
        case .bfloat16: try launch(.storeKeyValueBF16, store)
        case .int8: try launchInt8(store)
        default: throw unsupportedCache("storeKeyValue", cache)
        }
    }

    private func launch(_ kernel: KernelDescriptor, _ store: StoreArguments) throws {
        let cache = store.cache
        let items = headItems(elements: cache.headSize, heads: store.headItemCount, tokens: store.tokens)
        try launch(
            kernel, items, store.query, store.key, store.value, store.slots, cache.keys, cache.values,
            store.rope?.table, store.rope?.positions, UInt32(store.tokens), UInt32(store.queryHeads),
            UInt32(cache.headCount), UInt32(cache.headSize), UInt32(cache.blockSizeInTokens), store.query.stride32,
            store.key.stride32, store.value.stride32, UInt32(store.rope?.rotarySize ?? 0),
            store.rope?.layout.kernelCode ?? 0, cost: store.cost)
    }

    /// One group a head, since a row has one scale.
    private func launchInt8(_ store: StoreArguments) throws {
        let (cache, group) = (store.cache, tuning.headGroupSize)
        try launch(
            .storeKeyValueI8,
            LaunchRange((group, store.headItemCount, store.tokens), local: (group, 1, 1)), store.query, store.key,
            store.value, store.slots, cache.keys, cache.values, cache.keyScales, cache.valueScales,
            store.rope?.table, store.rope?.positions, UInt32(store.queryHeads), UInt32(cache.headCount),
            UInt32(cache.headSize), UInt32(cache.blockSizeInTokens), store.query.stride32, store.key.stride32,
            store.value.stride32, UInt32(store.rope?.rotarySize ?? 0), store.rope?.layout.kernelCode ?? 0,
            LocalMemory(byteCount: group * MemoryLayout<Float>.size),
            cost: store.cost)
    }

    public func copyBlocks(_ pairs: Tensor, in cache: KVCacheLayer) throws {
        try cache.validateCopy(pairs, capabilities)
        let kernel: KernelDescriptor =
            switch cache.dtype {
            case .float32: .copyBlocksB32
            case .float16, .bfloat16: .copyBlocksB16
            case .int8: .copyBlocksB8
            default: throw unsupportedCache("copyBlocks", cache)
            }
        try copy(kernel, pairs, cache.keys, cache.values)
        if let keyScales = cache.keyScales, let valueScales = cache.valueScales {
            try copy(.copyBlocksB32, pairs, keyScales, valueScales)
        }
    }

    private func copy(_ kernel: KernelDescriptor, _ pairs: Tensor, _ keys: Tensor, _ values: Tensor) throws {
        let (count, blockElements) = (pairs.shape.elementCount / 2, keys.columns)
        try launch(
            kernel, vectorItems(columns: blockElements, rows: count), pairs, keys, values, UInt32(count),
            UInt32(blockElements),
            cost: LaunchCost(bytes: 4 * count * blockElements * keys.dtype.byteCount, flops: 0))
    }

    private func unsupportedCache(_ op: String, _ cache: KVCacheLayer) -> BackendError {
        .unsupported(op: op, reason: "the cache's element type \(cache.dtype) is none of \(KVCacheLayer.dtypes)")
    }
}

extension StoreArguments {
    /// Rows of work-items of a token: query heads to rotate, keys and values.
    var headItemCount: Int { queryHeads + 2 * cache.headCount }

    var cost: LaunchCost {
        let elements = tokens * cache.headSize
        return LaunchCost(
            bytes: 8 * elements * queryHeads
                + 2 * tokens * cache.headCount * (cache.headSize * MemoryLayout<Float>.size + cache.rowByteCount),
            flops: rope == nil ? 0 : 3 * elements * (queryHeads + cache.headCount))
    }
}
