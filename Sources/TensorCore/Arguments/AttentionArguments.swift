/// The arguments of `attention`.
package struct AttentionArguments {
    package let query: Tensor
    package let cache: KVCacheLayer
    package let batch: AttentionBatch
    package let parameters: AttentionParameters
    package let output: Tensor

    package init(
        query: Tensor, cache: KVCacheLayer, batch: AttentionBatch, parameters: AttentionParameters, output: Tensor
    ) {
        self.query = query
        self.cache = cache
        self.batch = batch
        self.parameters = parameters
        self.output = output
    }

    package var headSize: Int { cache.headSize }
    /// Query heads that share a key head.
    package var group: Int { parameters.headCount / cache.headCount }

    /// - Throws: `BackendError` for what does not fit together, or what a backend of these capabilities cannot do.
    package func validate(_ capabilities: BackendCapabilities) throws {
        let checks = ArgumentChecks(op: "attention")
        try cache.validate(checks, capabilities)
        let heads = parameters.headCount
        try checks.require(
            heads > 0 && heads <= Int(Int32.max) / headSize && heads % cache.headCount == 0,
            "\(heads) query heads are no multiple of the cache's \(cache.headCount)")
        try checks.require(parameters.scale.isFinite, "a scale of \(parameters.scale)")
        try checks.require(
            parameters.slidingWindow.map { $0 > 0 } ?? true,
            "a sliding window of \(parameters.slidingWindow ?? 0) tokens; it must be positive")
        try checks.require(
            parameters.softCap.map { $0 > 0 && $0.isFinite } ?? true,
            "a soft-cap of \(parameters.softCap ?? 0); it must be positive")
        try checks.matrix(query, "query", rows: batch.tokenCount, columns: heads * headSize)
        try checks.matrix(output, "output", rows: batch.tokenCount, columns: heads * headSize)
        try validateBatch(checks)
    }

    private func validateBatch(_ checks: ArgumentChecks) throws {
        let sequences = batch.sequenceCount
        try checks.vector(batch.contextLengths, "contextLengths", count: sequences, dtype: .int32)
        try checks.vector(batch.queryOffsets, "queryOffsets", count: sequences + 1, dtype: .int32)
        let tables = batch.blockTables
        try checks.matrix(tables, "blockTables", rows: sequences, columns: tables.columns, dtype: .int32)
        try checks.require(
            batch.maxQueryCount >= 0 && batch.maxQueryCount <= batch.tokenCount,
            "a sequence of \(batch.maxQueryCount) queries in a batch of \(batch.tokenCount)")
        try checks.require(
            batch.maxContextLength >= batch.maxQueryCount && batch.maxContextLength <= Int(Int32.max) / 2,
            "a context of \(batch.maxContextLength) tokens with \(batch.maxQueryCount) queries")
        let capacity = tables.columns.multipliedReportingOverflow(by: cache.blockSizeInTokens)
        try checks.require(
            capacity.overflow || batch.maxContextLength <= capacity.partialValue,
            "a context of \(batch.maxContextLength) tokens over block tables of \(tables.columns) blocks")
    }
}

/// The arguments of `encoderAttention`.
package struct EncoderAttentionArguments {
    package let query: Tensor
    package let key: Tensor
    package let value: Tensor
    package let batch: EncoderAttentionBatch
    package let parameters: EncoderAttentionParameters
    package let bias: RelativePositionBias?
    package let relative: RelativeScores?
    package let output: Tensor

    package init(
        query: Tensor, key: Tensor, value: Tensor, batch: EncoderAttentionBatch,
        parameters: EncoderAttentionParameters, bias: RelativePositionBias?, relative: RelativeScores?, output: Tensor
    ) {
        self.relative = relative
        self.query = query
        self.key = key
        self.value = value
        self.batch = batch
        self.parameters = parameters
        self.bias = bias
        self.output = output
    }

    /// - Precondition: `validate` has not thrown.
    package var headSize: Int { query.columns / parameters.headCount }

    /// - Throws: `BackendError` for what does not fit together, or what a backend of these capabilities cannot do.
    package func validate(_ capabilities: BackendCapabilities) throws {
        let checks = ArgumentChecks(op: "encoderAttention")
        let heads = parameters.headCount
        let isWhole = heads > 0 && query.columns % heads == 0
        try checks.require(
            isWhole && (1...capabilities.maxHeadSize).contains(query.columns / heads),
            "\(query.columns) columns are no \(heads) heads of 1 to \(capabilities.maxHeadSize) elements")
        try checks.require(parameters.scale.isFinite, "a scale of \(parameters.scale)")
        try checks.matrix(query, "query", rows: batch.tokenCount, columns: query.columns)
        try checks.matrix(output, "output", rows: batch.tokenCount, columns: query.columns)
        try checks.matrix(key, "key", rows: key.rows, columns: query.columns)
        try checks.matrix(value, "value", rows: key.rows, columns: query.columns)
        let sequences = batch.sequenceCount
        try checks.vector(batch.queryOffsets, "queryOffsets", count: sequences + 1, dtype: .int32)
        try checks.vector(batch.keyRanges, "keyRanges", count: 2 * sequences, dtype: .int32)
        try checks.require(
            batch.maxQueryCount >= 0 && batch.maxQueryCount <= batch.tokenCount && batch.maxKeyCount <= key.rows,
            "a sequence of \(batch.maxQueryCount) queries and \(batch.maxKeyCount) keys in a batch of "
                + "\(batch.tokenCount) and \(key.rows)")
        if let table = bias?.table {
            try checks.vector(table, "bias", count: heads * table.columns)
            try checks.require(table.rows == heads, "the bias has shape \(table.shape), expected \(heads) heads")
        }
        guard let relative else { return }
        try checks.require(
            relative.bucketCount > 0 && relative.bucketCount <= Int(Int32.max) / heads,
            "\(relative.bucketCount) buckets of distances for \(heads) heads")
        let columns = heads * relative.bucketCount
        try checks.vector(relative.buckets, "buckets", count: 2 * relative.reach + 1, dtype: .int32)
        if let scores = relative.queries {
            try checks.matrix(scores, "relative scores of queries", rows: batch.tokenCount, columns: columns)
        }
        if let scores = relative.keys {
            try checks.matrix(scores, "relative scores of keys", rows: key.rows, columns: columns)
        }
    }
}
