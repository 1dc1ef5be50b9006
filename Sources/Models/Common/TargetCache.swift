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

/// What the layers of a decoder attend to: whole target texts that are computed at once, or texts so far.
enum TargetContext {
    /// - Parameters:
    ///   - projections: `[U, 3 A]`, of one layer at a time.
    ///   - sourceKeys: `[T, 2 A]`, of one layer at a time.
    case whole(EncoderDecoderBatch, projections: Tensor, sourceKeys: Tensor, encoded: Tensor)
    case step(TargetStep, TargetCache)

    var tokenIDs: Tensor {
        switch self {
        case .whole(let batch, _, _, _): batch.target.tokenIDs
        case .step(let step, _): step.tokenIDs
        }
    }

    var positions: Tensor {
        switch self {
        case .whole(let batch, _, _, _): batch.target.positions
        case .step(let step, _): step.positions
        }
    }

    var crossAttention: EncoderAttentionBatch {
        switch self {
        case .whole(let batch, _, _, _): batch.crossAttention
        case .step(let step, _): step.crossAttention
        }
    }

    /// Where query, key and value of a layer go.
    func projections(of layer: Int) -> Tensor {
        switch self {
        case .whole(_, let projections, _, _): projections
        case .step(let step, let cache): cache.entries[layer].rows(step.rows)
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
        }
    }

    /// Keys and values of the source for a layer; `project` computes those of the encoded tokens.
    func sourceKeys(of layer: Int, _ project: (Tensor, Tensor) throws -> Void) throws -> Tensor {
        switch self {
        case .whole(_, _, let keys, let encoded):
            try project(encoded, keys)
            return keys
        case .step(_, let cache): return cache.sources[layer]
        }
    }
}
