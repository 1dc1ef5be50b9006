import KVCache
import TensorCore

/// The original Transformer (Vaswani et al., 2017) as BART (Lewis et al., 2020), Marian (Junczys-Dowmunt et al., 2018),
/// mBART (Liu et al., 2020), Pegasus (Zhang et al., 2020) and M2M-100 and NLLB (Fan et al., 2021) have it: LayerNorm behind
/// each sublayer, or before it in the last three; learned or sinusoidal positions.
///
///     source:  h = norm?(s · word[id] + position[p]);   each layer:  h = h ⊕ attention;  h = h ⊕ down(act(up))
///     target:  the same with causal attention, and between the two  h = h ⊕ attention to the source
///     logits = norm?(h) · wordᵀ + bias
///
/// where `h ⊕ f` is `norm(h + f(h))`, or `h + f(norm(h))`.
///
/// Legend: `T` source tokens, `U` target tokens, `D` hidden size, `F` intermediate size.
final class BartModel: EncoderDecoderModel {
    /// Attention of the target to the source.
    struct Cross: Sendable {
        let query: Linear
        /// Key and value of the source.
        let source: Linear
        let output: Linear
        let norm: LayerNorm
    }

    struct Layer: Sendable {
        let projections: Linear
        let output: Linear
        let attentionNorm: LayerNorm
        let cross: Cross?
        let up: Linear
        let down: Linear
        let outputNorm: LayerNorm
    }

    struct Side: Sendable {
        let words: any Weight
        let positions: any Weight
        let embeddingNorm: LayerNorm?
        let layers: [Layer]
        let finalNorm: LayerNorm?
    }

    let description: EncoderDecoderDescription
    let configuration: BartConfiguration
    let backend: any Backend
    let encoder: Side
    let decoder: Side
    let head: Linear
    private let activations: BartActivations

    init(
        configuration: BartConfiguration, backend: any Backend, encoder: Side, decoder: Side, head: Linear,
        activations: BartActivations
    ) {
        self.configuration = configuration
        description = configuration.description
        self.backend = backend
        self.encoder = encoder
        self.decoder = decoder
        self.head = head
        self.activations = activations
    }

    // MARK: Passes

    func forward(_ batch: EncoderDecoderBatch) throws -> [EncoderOutput] {
        let encoded = try encode(batch.source)
        let rows = activations.target.rows(batch.target.tokenCount)
        let logits = activations.logits.rows(0..<batch.target.tokenCount)
        let context = TargetContext.whole(
            batch, projections: rows.projections, sourceKeys: activations.sourceKeys.rows(0..<encoded.rows),
            encoded: encoded)
        try decode(context, rows, into: logits)
        return [
            EncoderOutput("logits", .targets, logits), EncoderOutput("encoder_last_hidden_state", .tokens, encoded),
        ]
    }

    func encode(_ source: EncoderBatch, into cache: TargetCache) throws {
        let encoded = try encode(source)
        for (layer, keys) in zip(decoder.layers, cache.sources) {
            try layer.cross?.source(
                encoded, adapters: source.adapters, on: backend, into: keys.rows(0..<encoded.rows))
        }
    }

    func decode(_ step: TargetStep, _ cache: TargetCache) throws -> Tensor {
        let logits = activations.logits.rows(0..<step.rows.count)
        try decode(.step(step, cache), activations.target.rows(step.rows.count), into: logits)
        return logits
    }

    func encode(_ source: EncoderBatch, slots: Tensor, into cache: KVCacheStorage) throws {
        let encoded = try encode(source)
        let keys = activations.sourceKeys.rows(0..<encoded.rows)
        for (layer, cacheLayer) in zip(decoder.layers, cache.layers) {
            try layer.cross?.source(encoded, adapters: source.adapters, on: backend, into: keys)
            try TargetContext.store(sourceKeys: keys, slots: slots, into: cacheLayer, on: backend)
        }
    }

    func targetStates(_ batch: DeviceBatch, cache: KVCacheStorage) throws -> Tensor? {
        let rows = activations.target.rows(batch.tokenCount)
        return try states(.paged(batch, cache, projections: rows.projections, history: nil), rows)
    }

    func predict(_ states: Tensor, into logits: Tensor) throws { try head(states, on: backend, into: logits) }

    private func encode(_ batch: EncoderBatch) throws -> Tensor {
        let rows = activations.source.rows(batch.tokenCount)
        try embed(batch.tokenIDs, batch.positions, encoder, rows)
        let parameters = EncoderAttentionParameters(headCount: description.headCount, scale: scale)
        let width = description.hiddenSize
        for layer in encoder.layers {
            try sublayer(rows, layer.attentionNorm) { input in
                try layer.projections(input, adapters: batch.adapters, on: backend, into: rows.projections)
                try backend.encoderAttention(
                    query: rows.projections.columns(0..<width), key: rows.projections.columns(width..<2 * width),
                    value: rows.projections.columns(2 * width..<3 * width), batch: batch.attention,
                    parameters: parameters, bias: nil, into: rows.attended)
                try layer.output(
                    rows.attended, adapters: batch.adapters, on: backend, residual: rows.hidden, into: rows.hidden)
            }
            try feedForward(layer, rows, batch.adapters)
        }
        if let norm = encoder.finalNorm { try self.norm(rows.hidden, norm, into: rows.hidden) }
        return rows.hidden
    }

    private func decode(_ context: TargetContext, _ rows: BartActivations.Rows, into logits: Tensor) throws {
        guard let states = try states(context, rows) else { return }
        try predict(states, into: logits)
    }

    /// The hidden states of target tokens; `nil` where none is wanted.
    private func states(_ context: TargetContext, _ rows: BartActivations.Rows) throws -> Tensor? {
        try embed(context.tokenIDs, context.positions, decoder, rows)
        for (index, layer) in decoder.layers.enumerated() {
            try sublayer(rows, layer.attentionNorm) { input in
                try layer.projections(
                    input, adapters: context.adapters, on: backend, into: context.projections(of: index))
                try context.attend(
                    layer: index, scale: scale, bias: nil, description, on: backend, into: rows.attended)
                try layer.output(
                    rows.attended, adapters: context.adapters, on: backend, residual: rows.hidden, into: rows.hidden)
            }
            if let cross = layer.cross { try attend(cross, context, index, rows) }
            try feedForward(layer, rows, context.adapters)
        }
        guard let last = try context.lastRows(rows.hidden, scratch: rows.normed, on: backend) else { return nil }
        if let norm = decoder.finalNorm { try self.norm(last, norm, into: last) }
        return last
    }

    // MARK: Sublayers

    private var scale: Float { 1 / Float(description.headSize).squareRoot() }

    private func embed(_ ids: Tensor, _ positions: Tensor, _ side: Side, _ rows: BartActivations.Rows) throws {
        try backend.embed(
            ids, side.words, scale: configuration.embeddingScale, accumulate: false, into: rows.hidden)
        try backend.embed(positions, side.positions, accumulate: true, into: rows.hidden)
        if let norm = side.embeddingNorm { try self.norm(rows.hidden, norm, into: rows.hidden) }
    }

    /// Runs what adds a sublayer's result to the residual stream, with its norm before or behind.
    /// - Parameter add: takes the sublayer's input.
    private func sublayer(_ rows: BartActivations.Rows, _ norm: LayerNorm, _ add: (Tensor) throws -> Void) throws {
        guard configuration.normalizesFirst else {
            try add(rows.hidden)
            return try self.norm(rows.hidden, norm, into: rows.hidden)
        }
        try self.norm(rows.hidden, norm, into: rows.normed)
        try add(rows.normed)
    }

    private func attend(
        _ cross: Cross, _ context: TargetContext, _ index: Int, _ rows: BartActivations.Rows
    ) throws {
        let width = description.hiddenSize
        let query = rows.projections.columns(0..<width)
        try sublayer(rows, cross.norm) { input in
            try cross.query(input, adapters: context.adapters, on: backend, into: query)
            try context.attendToSource(
                layer: index, query: query, scale: scale, description, on: backend, into: rows.attended
            ) { encoded, keys in try cross.source(encoded, on: backend, into: keys) }
            try cross.output(
                rows.attended, adapters: context.adapters, on: backend, residual: rows.hidden, into: rows.hidden)
        }
    }

    private func feedForward(_ layer: Layer, _ rows: BartActivations.Rows, _ adapters: Tensor?) throws {
        let inner = rows.intermediate.columns(0..<layer.up.weights.reduce(0) { $0 + $1.rows })
        try sublayer(rows, layer.outputNorm) { input in
            try layer.up(
                input, adapters: adapters, on: backend, activation: configuration.activation, into: inner)
            try layer.down(inner, adapters: adapters, on: backend, residual: rows.hidden, into: rows.hidden)
        }
    }

    private func norm(_ x: Tensor, _ norm: LayerNorm, into output: Tensor) throws {
        try norm(x, epsilon: BartConfiguration.epsilon, on: backend, into: output)
    }
}

/// Intermediate results, planned once for the largest pass.
struct BartActivations: Sendable {
    /// Of one side.
    struct Rows: Sendable {
        /// `[T, D]` each.
        let hidden: Tensor
        let normed: Tensor
        /// `[T, 3 D]`, `[T, D]` and `[T, F]`.
        let projections: Tensor
        let attended: Tensor
        let intermediate: Tensor

        /// The first rows of each.
        func rows(_ count: Int) -> Rows {
            let range = 0..<count
            return Rows(
                hidden: hidden.rows(range), normed: normed.rows(range), projections: projections.rows(range),
                attended: attended.rows(range), intermediate: intermediate.rows(range))
        }
    }

    let source: Rows
    let target: Rows
    /// `[T, 2 D]`: keys and values of the source for one layer.
    let sourceKeys: Tensor
    /// `[U, V]`.
    let logits: Tensor

    init(_ sizes: EncoderDecoderDescription, limits: PassLimits, on backend: any Backend) throws {
        func tensor(_ rows: Int, _ columns: Int) throws -> Tensor {
            let buffer = try backend.makeBuffer(byteCount: rows * columns * MemoryLayout<Float>.size)
            return Tensor(buffer: buffer, byteOffset: 0, dtype: .float32, shape: [rows, columns])
        }
        func side(_ count: Int) throws -> Rows {
            let width = sizes.hiddenSize
            return Rows(
                hidden: try tensor(count, width), normed: try tensor(count, width),
                projections: try tensor(count, 3 * width), attended: try tensor(count, width),
                intermediate: try tensor(count, sizes.intermediateSize))
        }
        source = try side(limits.tokenCount)
        target = try side(limits.logitRowCount)
        sourceKeys = try tensor(limits.tokenCount, 2 * sizes.hiddenSize)
        logits = try tensor(limits.logitRowCount, sizes.vocabularySize)
    }
}
