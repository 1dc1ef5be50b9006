extension KVCacheLayer {
    /// - Throws: `BackendError.unsupported` for a cache that a backend of these capabilities does not compute with.
    package func validate(_ checks: ArgumentChecks, _ capabilities: BackendCapabilities) throws {
        guard KVCacheLayer.dtypes.contains(dtype) else {
            throw BackendError.unsupported(
                op: checks.op, reason: "the cache's element type \(dtype) is none of \(KVCacheLayer.dtypes)")
        }
        guard (1...capabilities.maxHeadSize).contains(headSize) else {
            throw BackendError.unsupported(
                op: checks.op, reason: "head size \(headSize) is not in 1...\(capabilities.maxHeadSize)")
        }
        try checks.require(headCount > 0 && blockSizeInTokens > 0, "the cache has shape \(keys.shape)")
        try checks.require(keys.isContiguous && values.isContiguous, "the cache must be contiguous")
    }

    /// Pairs of blocks to copy, `[P, 2]` int32.
    package func validateCopy(_ pairs: Tensor, _ capabilities: BackendCapabilities) throws {
        let checks = ArgumentChecks(op: "copyBlocks")
        try validate(checks, capabilities)
        try checks.require(pairs.columns == 2 || pairs.shape.elementCount == 0, "pairs has shape \(pairs.shape)")
        try checks.vector(pairs, "pairs", count: pairs.shape.elementCount, dtype: .int32)
    }
}

extension RopeArguments {
    /// Tables, positions and sizes for `tokens` rows of heads.
    package func validate(_ checks: ArgumentChecks, tokens: Int, headSize: Int) throws {
        try checks.require(
            rotarySize >= 0 && rotarySize % 2 == 0 && rotarySize <= headSize,
            "rotary size \(rotarySize) must be even and at most the head size \(headSize)")
        try checks.vector(positions, "positions", count: tokens, dtype: .int32)
        try checks.vector(table, "rope table", count: table.rows * rotarySize)
    }
}

/// The arguments of `storeKeyValue`.
package struct StoreArguments {
    package let query: Tensor?
    package let key: Tensor
    package let value: Tensor
    package let slots: Tensor
    package let cache: KVCacheLayer
    package let rope: RopeArguments?

    package init(
        query: Tensor?, key: Tensor, value: Tensor, slots: Tensor, cache: KVCacheLayer, rope: RopeArguments?
    ) {
        self.query = query
        self.key = key
        self.value = value
        self.slots = slots
        self.cache = cache
        self.rope = rope
    }

    package var tokens: Int { slots.shape.elementCount }
    package var queryHeads: Int { (query?.columns ?? 0) / cache.headSize }

    /// - Throws: `BackendError` for what does not fit together, or what a backend of these capabilities cannot do.
    package func validate(_ capabilities: BackendCapabilities, op: String = "storeKeyValue") throws {
        let checks = ArgumentChecks(op: op)
        try cache.validate(checks, capabilities)
        let columns = cache.headCount * cache.headSize
        try checks.vector(slots, "slots", count: tokens, dtype: .int32)
        try checks.matrix(key, "key", rows: tokens, columns: columns)
        try checks.matrix(value, "value", rows: tokens, columns: columns)
        if let query {
            try checks.heads(query, "query", headSize: cache.headSize)
            try checks.matrix(query, "query", rows: tokens, columns: query.columns)
        }
        try rope?.validate(checks, tokens: tokens, headSize: cache.headSize)
    }
}
