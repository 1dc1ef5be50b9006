public import TensorCore

extension OpenCLBackend {
    public func storeAndAttend(
        query: Tensor, key: Tensor, value: Tensor, slots: Tensor, rope: RopeArguments?, cache: KVCacheLayer,
        batch: AttentionBatch, parameters: AttentionParameters, into output: Tensor
    ) throws {
        let call = AttentionArguments(query: query, cache: cache, batch: batch, parameters: parameters, output: output)
        let store = StoreArguments(query: query, key: key, value: value, slots: slots, cache: cache, rope: rope)
        try call.validate(capabilities)
        try store.validate(capabilities, op: "storeAndAttend")
        try ArgumentChecks(op: "storeAndAttend").require(
            store.tokens == batch.tokenCount, "\(store.tokens) slots for \(batch.tokenCount) query tokens")
        guard storesWhileDecoding(call) else {
            try storeKeyValue(query: query, key: key, value: value, slots: slots, into: cache, rope: rope)
            try attention(query: query, cache: cache, batch: batch, parameters: parameters, into: output)
            return
        }
        if batch.tokenCount == 0 || batch.sequenceCount == 0 { return }
        try launchDecode(call, storing: store)
    }

    /// Whether one work-item reads a query token's own key and value, so that it can store them without any order
    /// between work-items: one query a sequence, and a key head's query heads in one chunk.
    private func storesWhileDecoding(_ call: AttentionArguments) -> Bool {
        tuning.attention.variant == .registers && call.batch.maxQueryCount <= 1
            && call.parameters.headCount <= call.cache.headCount * tuning.attention.decodeHeads
    }
}
