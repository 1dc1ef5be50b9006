import TensorCore

/// Intermediate results of a decoder, planned once for the largest pass.
///
/// Legend: `T` tokens, `D` hidden size, `H`, `KH` heads, `F` intermediate size, `R` logit rows.
struct DecoderWorkspace: Sendable {
    /// `[T, D]`: the residual stream.
    let hidden: Tensor
    /// `[T, D]`: the norm's output, read by the projections.
    let normed: Tensor
    /// `[T, (H + 2 KH) * headSize]`: query, key and value side by side.
    let projections: Tensor
    /// `[T, H * headSize]`: attention's output.
    let attended: Tensor
    /// `[T, F]`.
    let intermediate: Tensor
    /// `[T, F]`, where a layer has its gate apart from its up projection.
    let gateScratch: Tensor?
    /// `[R, D]` and `[R, H * headSize]`: the rows whose logits are wanted, from the last layer's attention on.
    let selected: Tensor
    let selectedQuery: Tensor

    init(
        _ sizes: DecoderDescription, limits: PassLimits, hasSplitGates: Bool = false, on backend: any Backend
    ) throws {
        let queryCount = sizes.headCount * sizes.headSize
        let keyCount = sizes.keyValueHeadCount * sizes.headSize
        let (tokens, width) = (limits.tokenCount, sizes.hiddenSize)
        var plan = WorkspacePlan()
        let hidden = plan.float32([tokens, width])
        let normed = plan.float32([tokens, width])
        let projections = plan.float32([tokens, queryCount + 2 * keyCount])
        let attended = plan.float32([tokens, queryCount])
        let intermediate = plan.float32([tokens, sizes.intermediateSize])
        let gateScratch = hasSplitGates ? plan.float32([tokens, sizes.intermediateSize]) : nil
        let selected = plan.float32([limits.logitRowCount, width])
        let selectedQuery = plan.float32([limits.logitRowCount, queryCount])
        let memory = try plan.allocate(on: backend)
        self.hidden = memory[hidden]
        self.normed = memory[normed]
        self.projections = memory[projections]
        self.attended = memory[attended]
        self.intermediate = memory[intermediate]
        self.gateScratch = gateScratch.map { memory[$0] }
        self.selected = memory[selected]
        self.selectedQuery = memory[selectedQuery]
    }

    /// All rows of a batch.
    func rows(_ batch: DeviceBatch) -> DecoderRows {
        DecoderRows(
            hidden: hidden.rows(0..<batch.tokenCount), query: query(projections.rows(0..<batch.tokenCount)),
            self, attention: batch.attention, adapters: batch.adapters)
    }

    /// Stores the keys and values of a batch's tokens in the cache and attends: for all rows, but in the last layer only
    /// for those whose logits are wanted.
    /// - Returns: the rows that go on, attended; `nil` where none is wanted.
    func attend(
        _ rows: DecoderRows, _ projections: DecoderProjections, rope: RopeArguments?,
        parameters: AttentionParameters, cache: KVCacheLayer, batch: DeviceBatch, isLastLayer: Bool,
        on backend: any Backend
    ) throws -> DecoderRows? {
        guard isLastLayer, let selection = batch.selection else {
            try backend.storeAndAttend(
                query: rows.query, key: projections.key, value: projections.value, slots: batch.slots, rope: rope,
                cache: cache, batch: rows.attention, parameters: parameters, into: rows.attended)
            return rows
        }
        try backend.storeKeyValue(
            query: rows.query, key: projections.key, value: projections.value, slots: batch.slots, into: cache,
            rope: rope)
        guard selection.rows.rows > 0 else { return nil }
        let selected = try self.rows(selection, of: rows, on: backend)
        try backend.attention(
            query: selected.query, cache: cache, batch: selected.attention, parameters: parameters,
            into: selected.attended)
        return selected
    }

    /// The rows of a selection: what the residual stream and the query hold of them is gathered.
    private func rows(_ selection: RowSelection, of all: DecoderRows, on backend: any Backend) throws -> DecoderRows {
        let range = 0..<selection.rows.rows
        try backend.gatherRows(all.hidden, rows: selection.rows, into: selected.rows(range))
        try backend.gatherRows(all.query, rows: selection.rows, into: selectedQuery.rows(range))
        return DecoderRows(
            hidden: selected.rows(range), query: selectedQuery.rows(range), self, attention: selection.attention,
            adapters: selection.adapters)
    }

    private func query(_ projections: Tensor) -> Tensor { projections.columns(0..<attended.columns) }

    /// Where a batch's queries, keys and values go.
    func projections(_ batch: DeviceBatch) -> DecoderProjections {
        let all = projections.rows(0..<batch.tokenCount)
        let queryWidth = attended.columns
        let keyWidth = (all.columns - queryWidth) / 2
        return DecoderProjections(
            all: all, queryAndKey: all.columns(0..<queryWidth + keyWidth),
            key: all.columns(queryWidth..<queryWidth + keyWidth),
            value: all.columns(queryWidth + keyWidth..<all.columns))
    }
}

/// Query, key and value of a batch side by side, and views of them.
struct DecoderProjections {
    let all: Tensor
    let queryAndKey: Tensor
    let key: Tensor
    let value: Tensor
}

/// The rows that a layer works on: all tokens of a pass, or those whose logits are wanted.
struct DecoderRows {
    let hidden: Tensor
    let normed: Tensor
    let query: Tensor
    let attended: Tensor
    let intermediate: Tensor
    let gateScratch: Tensor?
    let attention: AttentionBatch
    /// `[T, 1]` int32: the adapter of each row; `nil`: none has one.
    let adapters: Tensor?

    fileprivate init(
        hidden: Tensor, query: Tensor, _ workspace: DecoderWorkspace, attention: AttentionBatch, adapters: Tensor?
    ) {
        self.adapters = adapters
        let range = 0..<hidden.rows
        self.hidden = hidden
        self.query = query
        self.attention = attention
        normed = workspace.normed.rows(range)
        attended = workspace.attended.rows(range)
        intermediate = workspace.intermediate.rows(range)
        gateScratch = workspace.gateScratch?.rows(range)
    }
}
