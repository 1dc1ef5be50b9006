internal import TensorCore

/// How a decoding attention is split over its context.
struct AttentionSplitPlan {
    let splits: Int
    let splitTokens: Int
    /// `[T, H, splits, D]` and `[T, H, splits, 2]`; `nil` where there is one split.
    var sums: BufferRegion?
    var weights: BufferRegion?
}

extension OpenCLBackend {
    /// Scratch memory of the splits of the largest decoding batch.
    func attentionScratchByteCount(_ limits: ExecutionLimits) -> Int {
        let splitTokens = splitTokens(limits)
        let splits = ceilDivide(limits.contextLength, splitTokens)
        guard splits > 1 else { return 0 }
        return splits * rowByteCount(limits)
    }

    /// Tokens of a split. It depends on the limits alone, so that a sequence's sums are the same in any batch.
    private func splitTokens(_ limits: ExecutionLimits) -> Int {
        let tuning = tuning.attention
        let affordable = max(1, tuning.maxScratchByteCount / max(1, rowByteCount(limits)))
        let splits = min(tuning.maxSplits, affordable, max(1, limits.contextLength / tuning.minSplitTokens))
        return ceilDivide(max(limits.contextLength, 1), splits * 16) * 16
    }

    /// Bytes of one split of the most query tokens that a decoding batch may have.
    private func rowByteCount(_ limits: ExecutionLimits) -> Int {
        let tokens = min(limits.tokenCount, limits.sequenceCount * tuning.attention.maxDecodeQueries)
        return tokens * limits.headCount * (limits.headSize + 2) * MemoryLayout<Float>.size
    }

    /// - Throws: `BackendError.limitExceeded` where the partial results need more scratch memory than was reserved.
    func splitPlan(_ call: AttentionArguments) throws -> AttentionSplitPlan {
        let context = max(call.batch.maxContextLength, 1)
        let splitTokens = limits.map { self.splitTokens($0) } ?? context
        let splits = ceilDivide(context, splitTokens)
        guard splits > 1 else { return AttentionSplitPlan(splits: 1, splitTokens: splitTokens) }
        let rows = call.batch.tokenCount * call.parameters.headCount * splits
        let byteCount = rows * (call.headSize + 2) * MemoryLayout<Float>.size
        guard let scratch = attentionScratch, byteCount <= scratch.byteCount else {
            throw BackendError.limitExceeded(
                op: "attention", limit: "scratch bytes", maximum: attentionScratch?.byteCount ?? 0, found: byteCount)
        }
        return AttentionSplitPlan(
            splits: splits, splitTokens: splitTokens, sums: BufferRegion(buffer: scratch, elementOffset: 0),
            weights: BufferRegion(buffer: scratch, elementOffset: rows * call.headSize))
    }
}
