internal import CPUKernels
public import TensorCore

extension CPUBackend {
    public func attention(
        query: Tensor, cache: KVCacheLayer, batch: AttentionBatch, parameters: AttentionParameters,
        into output: Tensor
    ) throws {
        try AttentionArguments(query: query, cache: cache, batch: batch, parameters: parameters, output: output)
            .validate(capabilities)
        let sequences = batch.sequenceCount
        let kernelCache = cache.kernelCache
        try ArgumentChecks(op: "attention").limit(sequences, "S", maximum: limits?.sequenceCount ?? 0)
        var arguments = cpuk_attention_args(
            query: query.floatRows, output: output.floatRows, heads: Int64(parameters.headCount), cache: kernelCache,
            scale: parameters.scale, soft_cap: parameters.softCap ?? 0, window: Int64(parameters.slidingWindow ?? 0),
            query_offsets: batch.queryOffsets.int32s, context_lengths: batch.contextLengths.int32s,
            block_tables: batch.blockTables.int32s, table_stride: Int64(batch.blockTables.rowStride),
            table_columns: Int64(batch.blockTables.columns), sequences: Int64(sequences),
            tokens: Int64(batch.tokenCount), reduced: parameters.allowsReducedProducts)
        if isRowInvariant, batch.maxQueryCount > 1 {
            try attendByQueries(arguments, batch) { try attend(&$0, batch, cache, parameters) }
        } else {
            try attend(&arguments, batch, cache, parameters)
        }
    }

    private func attend(
        _ arguments: inout cpuk_attention_args, _ batch: AttentionBatch, _ cache: KVCacheLayer,
        _ parameters: AttentionParameters
    ) throws {
        var sequence: Int64 = 0
        let work = AttentionWork(batch, cache: cache, parameters: parameters)
        let status = launch(
            "\(batch.maxQueryCount > 1 ? "flash" : "paged")_attention_\(cache.dtype)", byteCount: work.byteCount,
            flopCount: work.flopCount, isAccepted: { $0 == CPUK_ATTENTION_OK }
        ) { cpuk_paged_attention(context, &arguments, &sequence) }
        try CPUBackend.check(status, sequence: sequence, batch: batch, limits: limits)
    }

    private static func check(
        _ status: cpuk_attention_status, sequence: Int64, batch: AttentionBatch, limits: ExecutionLimits?
    ) throws {
        switch status {
        case CPUK_ATTENTION_OK: return
        case CPUK_ATTENTION_OVER_LIMIT:
            throw BackendError.limitExceeded(
                op: "attention", limit: "context", maximum: limits?.contextLength ?? 0, found: batch.maxContextLength)
        case CPUK_ATTENTION_BAD_OFFSETS:
            throw BackendError.invalidArgument(
                op: "attention", reason: "query offsets of sequence \(sequence) leave 0...\(batch.tokenCount)")
        case CPUK_ATTENTION_BAD_CONTEXT:
            throw BackendError.invalidArgument(
                op: "attention", reason: "context of sequence \(sequence) is shorter than its queries or over its table"
            )
        default:
            throw BackendError.invalidArgument(
                op: "attention", reason: "a block of sequence \(sequence) is not in the cache")
        }
    }
}

/// What attention over a batch must move and compute; read from the batch when a profile wants it.
private struct AttentionWork {
    let batch: AttentionBatch
    let cache: KVCacheLayer
    let parameters: AttentionParameters

    init(_ batch: AttentionBatch, cache: KVCacheLayer, parameters: AttentionParameters) {
        self.batch = batch
        self.cache = cache
        self.parameters = parameters
    }

    var byteCount: Int {
        let contexts = (0..<batch.sequenceCount).reduce(0) { $0 + visible(Int(batch.contextLengths.int32s[$1])) }
        let rows = 2 * batch.tokenCount * parameters.headCount * cache.headSize * 4
        return rows + 2 * contexts * cache.headCount * cache.rowByteCount
    }

    /// Two products a visible pair of query and key.
    var flopCount: Int {
        var pairs = 0
        for sequence in 0..<batch.sequenceCount {
            let queries = Int(batch.queryOffsets.int32s[sequence + 1] - batch.queryOffsets.int32s[sequence])
            let context = Int(batch.contextLengths.int32s[sequence])
            for position in max(0, context - queries)..<max(0, context) { pairs += visible(position + 1) }
        }
        return 4 * pairs * parameters.headCount * cache.headSize
    }

    private func visible(_ context: Int) -> Int { min(context, parameters.slidingWindow ?? context) }
}
