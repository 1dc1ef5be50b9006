internal import KVCache
public import TensorCore

/// What an encoder-decoder keeps while it writes target texts: keys and values of the encoded sources, and those of every
/// target token so far. Rows are only added: a text is a list of rows, so texts that begin alike share them.
///
/// Legend: `R` rows for target tokens, `T` source tokens, `A` features of all heads.
public struct TargetCache: Sendable {
    /// Of each decoder layer, `[R, 3 A]`: query, key and value of target tokens.
    let entries: [Tensor]
    /// Of each decoder layer, `[T, 2 A]`: key and value of source tokens.
    let sources: [Tensor]
    /// `[R, 2 A]`: keys and values of one layer, each text's one behind the other.
    let gathered: Tensor

    public let rowCount: Int

    /// - Throws: `BackendError.outOfMemory`.
    public init(
        _ sizes: EncoderDecoderDescription, rowCount: Int, sourceTokenCount: Int, on backend: any Backend
    ) throws {
        self.rowCount = rowCount
        let width = sizes.attentionSize
        let layers = 0..<sizes.decoderLayerCount
        func tensor(_ rows: Int, _ columns: Int) throws -> Tensor {
            let buffer = try backend.makeBuffer(byteCount: rows * columns * MemoryLayout<Float>.size)
            return Tensor(buffer: buffer, byteOffset: 0, dtype: .float32, shape: [rows, columns])
        }
        entries = try layers.map { _ in try tensor(rowCount, 3 * width) }
        sources = try layers.map { _ in try tensor(sourceTokenCount, 2 * width) }
        gathered = try tensor(rowCount, 2 * width)
    }
}

/// One step of writing target texts: the next token of each.
///
/// Legend: `B` texts.
public struct TargetStep: Sendable {
    /// `[B]` int32 each.
    public let tokenIDs: Tensor
    public let positions: Tensor
    /// The rows of the cache that the tokens are stored in.
    public let rows: Range<Int>
    /// int32: the rows of all texts, one text behind the other; `nil` where the ranges of `attention` are rows of the
    /// cache themselves.
    public let history: Tensor?
    public let attention: EncoderAttentionBatch
    public let crossAttention: EncoderAttentionBatch

    public init(
        tokenIDs: Tensor, positions: Tensor, rows: Range<Int>, history: Tensor?, attention: EncoderAttentionBatch,
        crossAttention: EncoderAttentionBatch
    ) {
        self.tokenIDs = tokenIDs
        self.positions = positions
        self.rows = rows
        self.history = history
        self.attention = attention
        self.crossAttention = crossAttention
    }
}

/// What the layers of a decoder attend to: whole target texts that are computed at once, or texts so far, in rows of their
/// own or in the paged cache.
enum TargetContext {
    /// - Parameters:
    ///   - projections: `[U, 3 A]`, of one layer at a time.
    ///   - sourceKeys: `[T, 2 A]`, of one layer at a time.
    case whole(EncoderDecoderBatch, projections: Tensor, sourceKeys: Tensor, encoded: Tensor)
    case step(TargetStep, TargetCache)
    /// - Parameters:
    ///   - projections: `[U, 3 A]`, of one layer at a time.
    ///   - history: where the attention of target tokens has a bias.
    case paged(DeviceBatch, KVCacheStorage, projections: Tensor, history: TargetHistoryWorkspace?)

    var tokenIDs: Tensor {
        switch self {
        case .whole(let batch, _, _, _): batch.target.tokenIDs
        case .step(let step, _): step.tokenIDs
        case .paged(let batch, _, _, _): batch.tokenIDs
        }
    }

    var positions: Tensor {
        switch self {
        case .whole(let batch, _, _, _): batch.target.positions
        case .step(let step, _): step.positions
        case .paged(let batch, _, _, _): batch.positions
        }
    }

    /// `[U, 1]` int32: the adapter of each target token; `nil`: none has one.
    var adapters: Tensor? {
        switch self {
        case .whole(let batch, _, _, _): batch.target.adapters
        case .step: nil
        case .paged(let batch, _, _, _): batch.adapters
        }
    }

    /// Where query, key and value of a layer go.
    func projections(of layer: Int) -> Tensor {
        switch self {
        case .whole(_, let projections, _, _): projections
        case .step(let step, let cache): cache.entries[layer].rows(step.rows)
        case .paged(_, _, let projections, _): projections
        }
    }

    /// Attention of target tokens to those before them.
    func attend(
        layer: Int, scale: Float, bias: RelativePositionBias?, _ sizes: EncoderDecoderDescription,
        on backend: any Backend, into output: Tensor
    ) throws {
        let width = sizes.attentionSize
        let own = projections(of: layer)
        let query = own.columns(0..<width)
        let parameters = EncoderAttentionParameters(headCount: sizes.headCount, scale: scale, isCausal: true)
        switch self {
        case .whole(let batch, _, _, _):
            try backend.encoderAttention(
                query: query, key: own.columns(width..<2 * width), value: own.columns(2 * width..<3 * width),
                batch: batch.target.attention, parameters: parameters, bias: bias, into: output)
        case .step(let step, let cache):
            var keys = cache.entries[layer].columns(width..<3 * width)
            if let history = step.history {
                let gathered = cache.gathered.rows(0..<history.shape.elementCount)
                try backend.gatherRows(keys, rows: history, into: gathered)
                keys = gathered
            }
            try backend.encoderAttention(
                query: query, key: keys.columns(0..<width), value: keys.columns(width..<2 * width),
                batch: step.attention, parameters: parameters, bias: bias, into: output)
        case .paged(let batch, let cache, _, let history):
            let (key, value) = (own.columns(width..<2 * width), own.columns(2 * width..<3 * width))
            let layer = cache.layers[layer]
            guard let bias, let history else {
                return try backend.storeAndAttend(
                    query: query, key: key, value: value, slots: batch.slots, rope: nil, cache: layer,
                    batch: batch.attention,
                    parameters: AttentionParameters(headCount: sizes.headCount, scale: scale), into: output)
            }
            try backend.storeKeyValue(
                query: nil, key: key, value: value, slots: batch.slots, into: layer, rope: nil)
            for part in batch.histories {
                let gathered = try history.gather(part, from: layer, on: backend)
                try backend.encoderAttention(
                    query: query.rows(part.rows), key: gathered.keys, value: gathered.values, batch: part.attention,
                    parameters: parameters, bias: bias, into: output.rows(part.rows))
            }
        }
    }

    /// Attention of target tokens to all of their source, which has no bias.
    /// - Parameter project: computes keys and values of the encoded tokens, `[T, 2 A]`.
    func attendToSource(
        layer: Int, query: Tensor, scale: Float, _ sizes: EncoderDecoderDescription, on backend: any Backend,
        into output: Tensor, project: (_ encoded: Tensor, _ keys: Tensor) throws -> Void
    ) throws {
        let width = sizes.attentionSize
        func attend(_ keys: Tensor, _ batch: EncoderAttentionBatch) throws {
            try backend.encoderAttention(
                query: query, key: keys.columns(0..<width), value: keys.columns(width..<2 * width), batch: batch,
                parameters: EncoderAttentionParameters(headCount: sizes.headCount, scale: scale), bias: nil,
                into: output)
        }
        switch self {
        case .whole(let batch, _, let keys, let encoded):
            try project(encoded, keys)
            try attend(keys, batch.crossAttention)
        case .step(let step, let cache): try attend(cache.sources[layer], step.crossAttention)
        case .paged(let batch, let cache, _, _):
            guard let attention = batch.sourceAttention else { preconditionFailure("a batch without sources") }
            try backend.attention(
                query: query, cache: cache.layers[layer], batch: attention,
                parameters: AttentionParameters(headCount: sizes.headCount, scale: scale), into: output)
        }
    }

    /// The hidden states that go on to the head: all, or those that a batch of the engine wants.
    /// - Parameter scratch: `[U, D]`, for states that are picked.
    /// - Returns: `nil` where none is wanted.
    func lastRows(_ hidden: Tensor, scratch: Tensor, on backend: any Backend) throws -> Tensor? {
        guard case .paged(let batch, _, _, _) = self, let selection = batch.selection else { return hidden }
        let count = selection.rows.shape.elementCount
        guard count > 0 else { return nil }
        let picked = scratch.rows(0..<count)
        try backend.gatherRows(hidden, rows: selection.rows, into: picked)
        return picked
    }
}

extension TargetContext {
    /// Stores keys and values of encoded sources, `[T, 2 A]`, in the slots of a layer of the paged cache.
    static func store(
        sourceKeys keys: Tensor, slots: Tensor, into cache: KVCacheLayer, on backend: any Backend
    ) throws {
        let width = keys.columns / 2
        try backend.storeKeyValue(
            query: nil, key: keys.columns(0..<width), value: keys.columns(width..<2 * width), slots: slots, into: cache,
            rope: nil)
    }
}
