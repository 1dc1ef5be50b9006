internal import CPUKernels
public import TensorCore

extension CPUBackend {
    public func encoderAttention(
        query: Tensor, key: Tensor, value: Tensor, batch: EncoderAttentionBatch,
        parameters: EncoderAttentionParameters, bias: RelativePositionBias?, relative: RelativeScores?,
        into output: Tensor
    ) throws {
        let call = EncoderAttentionArguments(
            query: query, key: key, value: value, batch: batch, parameters: parameters, bias: bias, relative: relative,
            output: output)
        try call.validate(capabilities)
        let op = "encoderAttention"
        let sequences = batch.sequenceCount
        try ArgumentChecks(op: op).limit(sequences, "S", maximum: limits?.sequenceCount ?? 0)
        var arguments = cpuk_varlen_attention_args(
            query: query.floatRows, key: key.floatRows, value: value.floatRows, output: output.floatRows,
            heads: Int64(parameters.headCount), head_size: Int64(call.headSize), scale: parameters.scale,
            causal: parameters.isCausal, bias: bias.map { UnsafePointer($0.table.floats) },
            bias_reach: Int64(bias?.reach ?? 0), query_scores: relative?.queries?.floatRows ?? cpuk_rows(),
            key_scores: relative?.keys?.floatRows ?? cpuk_rows(),
            buckets: relative.map { UnsafePointer($0.buckets.int32s) }, bucket_reach: Int64(relative?.reach ?? 0),
            bucket_count: Int64(relative?.bucketCount ?? 0), query_offsets: batch.queryOffsets.int32s,
            key_ranges: batch.keyRanges.int32s, sequences: Int64(sequences), tokens: Int64(batch.tokenCount),
            key_rows: Int64(key.rows))
        var sequence: Int64 = 0
        let status = launch(
            "encoder_attention", byteCount: query.byteCount * 2 + key.byteCount * 2,
            flopCount: 4 * batch.pairCount * query.columns, isAccepted: { $0 == CPUK_ATTENTION_OK }
        ) { cpuk_varlen_attention(context, &arguments, &sequence) }
        switch status {
        case CPUK_ATTENTION_OK: return
        case CPUK_ATTENTION_BAD_OFFSETS:
            throw BackendError.invalidArgument(
                op: op, reason: "query offsets of sequence \(sequence) leave 0...\(batch.tokenCount)")
        default:
            throw BackendError.invalidArgument(
                op: op,
                reason: "the keys of sequence \(sequence) are none, not among \(key.rows) rows, or too few to be causal"
            )
        }
    }
}

extension EncoderAttentionBatch {
    /// Pairs of a query and a key, read from the batch when a profile wants them; causal ones count as if they saw all.
    fileprivate var pairCount: Int {
        (0..<sequenceCount).reduce(0) { pairs, s in
            let queries = Int(queryOffsets.int32s[s + 1] - queryOffsets.int32s[s])
            return pairs + queries * Int(keyRanges.int32s[2 * s + 1] - keyRanges.int32s[2 * s])
        }
    }
}
