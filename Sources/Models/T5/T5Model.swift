import KVCache
import TensorCore

/// T5 (Raffel et al., 2020) and its version 1.1, also as mT5 (Xue et al., 2021): RMS norms before each sublayer, no biases,
/// unscaled attention with a bias by distance that all layers of a side share.
///
///     source:  h = word[id];   each layer:  h += out(attention(qkv(norm(h))));  h += down(act(up(norm(h))))
///     target:  h = word[id];   each layer:  h += out(causal attention(qkv(norm(h))))
///                                           h += out(attention(q(norm(h)), kv(source)));  h += down(act(up(norm(h))))
///     logits = norm(h) · scale · wordᵀ
///
/// Legend: `T` source tokens, `U` target tokens, `D` hidden size, `A` features of all heads, `F` intermediate size.
final class T5Model: EncoderDecoderModel {
    /// Attention of a side to itself, or of the target to the source.
    struct Attention: Sendable {
        let norm: Tensor
        /// Query, key and value; of the target to the source, the query alone.
        let projections: Linear
        let output: Linear
    }

    /// Embeddings of both sides' tokens: one matrix in most models.
    struct Words: Sendable {
        let source: any Weight
        let target: any Weight
    }

    enum FeedForward: Sendable {
        case plain(up: Linear, Activation, down: Linear)
        case gated(GatedProjection, down: Linear)

        var isSplit: Bool {
            if case .gated(let projection, _) = self { return projection.isSplit }
            return false
        }
    }

    struct EncoderLayer: Sendable {
        let attention: Attention
        let feedForwardNorm: Tensor
        let feedForward: FeedForward
    }

    struct DecoderLayer: Sendable {
        let attention: Attention
        let crossAttention: Attention
        /// Key and value of the source.
        let sourceProjections: Linear
        let feedForwardNorm: Tensor
        let feedForward: FeedForward
    }

    struct Encoder: Sendable {
        let bias: RelativePositionBias
        let layers: [EncoderLayer]
        let finalNorm: Tensor
    }

    struct Decoder: Sendable {
        let bias: RelativePositionBias
        let layers: [DecoderLayer]
        /// With the scale of the outputs in it.
        let finalNorm: Tensor
    }

    let description: EncoderDecoderDescription
    let configuration: T5Configuration
    let backend: any Backend
    let words: Words
    let encoder: Encoder
    let decoder: Decoder
    let head: any Weight
    private let source: T5Activations
    private let target: T5Activations
    /// `[T, D]`: the encoded source.
    private let encoded: Tensor
    /// `[T, 2 A]`: its keys and values for one layer.
    private let sourceKeys: Tensor
    /// `[U, V]`.
    private let logits: Tensor
    private let history: TargetHistoryWorkspace?

    init(
        configuration: T5Configuration, backend: any Backend, limits: PassLimits, words: Words,
        encoder: Encoder, decoder: Decoder, head: any Weight
    ) throws {
        let sizes = configuration.description
        self.configuration = configuration
        self.description = sizes
        self.backend = backend
        self.words = words
        self.encoder = encoder
        self.decoder = decoder
        self.head = head
        let isSplit = (encoder.layers.map(\.feedForward) + decoder.layers.map(\.feedForward)).contains(where: \.isSplit)
        source = try T5Activations(sizes, tokenCount: limits.tokenCount, isSplit: isSplit, on: backend)
        target = try T5Activations(sizes, tokenCount: limits.logitRowCount, isSplit: isSplit, on: backend)
        var plan = WorkspacePlan()
        let encoded = plan.float32([limits.tokenCount, sizes.hiddenSize])
        let sourceKeys = plan.float32([limits.tokenCount, 2 * sizes.attentionSize])
        let logits = plan.float32([limits.logitRowCount, sizes.vocabularySize])
        let workspace = try plan.allocate(on: backend)
        self.encoded = workspace[encoded]
        self.sourceKeys = workspace[sourceKeys]
        self.logits = workspace[logits]
        history = try TargetHistoryWorkspace(sizes, tokenCount: limits.historyTokenCount, on: backend)
    }

    func forward(_ batch: EncoderDecoderBatch) throws -> [EncoderOutput] {
        let encoded = encoded.rows(0..<batch.source.tokenCount)
        let logits = logits.rows(0..<batch.target.tokenCount)
        try encode(batch.source, into: encoded)
        let rows = target.rows(batch.target.tokenCount)
        try decode(
            .whole(
                batch, projections: rows.projections, sourceKeys: sourceKeys.rows(0..<encoded.rows), encoded: encoded),
            rows, into: logits)
        return [
            EncoderOutput("logits", .targets, logits), EncoderOutput("encoder_last_hidden_state", .tokens, encoded),
        ]
    }

    func encode(_ batch: EncoderBatch, into cache: TargetCache) throws {
        let encoded = encoded.rows(0..<batch.tokenCount)
        try encode(batch, into: encoded)
        for (layer, keys) in zip(decoder.layers, cache.sources) {
            try layer.sourceProjections(
                encoded, adapters: batch.adapters, on: backend, into: keys.rows(0..<encoded.rows))
        }
    }

    func decode(_ step: TargetStep, _ cache: TargetCache) throws -> Tensor {
        let logits = logits.rows(0..<step.rows.count)
        try decode(.step(step, cache), target.rows(step.rows.count), into: logits)
        return logits
    }

    func encode(_ batch: EncoderBatch, slots: Tensor, into cache: KVCacheStorage) throws {
        let encoded = encoded.rows(0..<batch.tokenCount)
        try encode(batch, into: encoded)
        let keys = sourceKeys.rows(0..<encoded.rows)
        for (layer, cacheLayer) in zip(decoder.layers, cache.layers) {
            try layer.sourceProjections(encoded, adapters: batch.adapters, on: backend, into: keys)
            try TargetContext.store(sourceKeys: keys, slots: slots, into: cacheLayer, on: backend)
        }
    }

    func targetStates(_ batch: DeviceBatch, cache: KVCacheStorage) throws -> Tensor? {
        let rows = target.rows(batch.tokenCount)
        return try states(.paged(batch, cache, projections: rows.projections, history: history), rows)
    }

    func predict(_ states: Tensor, into logits: Tensor) throws {
        try backend.matmul(states, head, into: logits, epilogue: .none)
    }

    private func encode(_ batch: EncoderBatch, into encoded: Tensor) throws {
        let rows = source.rows(batch.tokenCount)
        try backend.embed(batch.tokenIDs, words.source, accumulate: false, into: rows.hidden)
        for layer in encoder.layers {
            try attend(layer.attention, rows, batch, bias: encoder.bias)
            try feedForward(layer.feedForward, layer.feedForwardNorm, rows, batch.adapters)
        }
        try norm(rows.hidden, encoder.finalNorm, into: encoded)
    }

    private func decode(_ context: TargetContext, _ rows: T5Activations, into logits: Tensor) throws {
        guard let states = try states(context, rows) else { return }
        try predict(states, into: logits)
    }

    /// The hidden states of target tokens; `nil` where none is wanted.
    private func states(_ context: TargetContext, _ rows: T5Activations) throws -> Tensor? {
        try backend.embed(context.tokenIDs, words.target, accumulate: false, into: rows.hidden)
        for (index, layer) in decoder.layers.enumerated() {
            try norm(rows.hidden, layer.attention.norm, into: rows.normed)
            try layer.attention.projections(
                rows.normed, adapters: context.adapters, on: backend, into: context.projections(of: index))
            try context.attend(
                layer: index, scale: 1, bias: decoder.bias, description, on: backend, into: rows.attended)
            try layer.attention.output(
                rows.attended, adapters: context.adapters, on: backend, residual: rows.hidden, into: rows.hidden)
            try attend(layer, rows, context, index: index)
            try feedForward(layer.feedForward, layer.feedForwardNorm, rows, context.adapters)
        }
        guard let last = try context.lastRows(rows.hidden, scratch: rows.normed, on: backend) else { return nil }
        let states = rows.normed.rows(0..<last.rows)
        try norm(last, decoder.finalNorm, into: states)
        return states
    }

    // MARK: Sublayers

    /// The source's attention to itself, added to its residual stream.
    private func attend(
        _ attention: Attention, _ rows: T5Activations, _ batch: EncoderBatch, bias: RelativePositionBias
    ) throws {
        let size = description.attentionSize
        try norm(rows.hidden, attention.norm, into: rows.normed)
        try attention.projections(rows.normed, adapters: batch.adapters, on: backend, into: rows.projections)
        try backend.encoderAttention(
            query: rows.projections.columns(0..<size), key: rows.projections.columns(size..<2 * size),
            value: rows.projections.columns(2 * size..<3 * size), batch: batch.attention,
            parameters: EncoderAttentionParameters(headCount: description.headCount, scale: 1), bias: bias,
            into: rows.attended)
        try attention.output(
            rows.attended, adapters: batch.adapters, on: backend, residual: rows.hidden, into: rows.hidden)
    }

    /// The target's attention to the source, which has no bias.
    private func attend(
        _ layer: DecoderLayer, _ rows: T5Activations, _ context: TargetContext, index: Int
    ) throws {
        let size = description.attentionSize
        let query = rows.projections.columns(0..<size)
        try norm(rows.hidden, layer.crossAttention.norm, into: rows.normed)
        try layer.crossAttention.projections(rows.normed, adapters: context.adapters, on: backend, into: query)
        try context.attendToSource(
            layer: index, query: query, scale: 1, description, on: backend, into: rows.attended
        ) { encoded, keys in try layer.sourceProjections(encoded, on: backend, into: keys) }
        try layer.crossAttention.output(
            rows.attended, adapters: context.adapters, on: backend, residual: rows.hidden, into: rows.hidden)
    }

    private func feedForward(
        _ part: FeedForward, _ weight: Tensor, _ rows: T5Activations, _ adapters: Tensor?
    ) throws {
        try norm(rows.hidden, weight, into: rows.normed)
        switch part {
        case .plain(let up, let activation, let down):
            try up(rows.normed, adapters: adapters, on: backend, activation: activation, into: rows.intermediate)
            try down(rows.intermediate, adapters: adapters, on: backend, residual: rows.hidden, into: rows.hidden)
        case .gated(let projection, let down):
            try projection(
                rows.normed, adapters: adapters, on: backend, scratch: rows.gateScratch, into: rows.intermediate)
            try down(rows.intermediate, adapters: adapters, on: backend, residual: rows.hidden, into: rows.hidden)
        }
    }

    private func norm(_ x: Tensor, _ weight: Tensor, into output: Tensor) throws {
        try backend.rmsNorm(
            x, residual: nil, sum: nil, weight: weight, epsilon: configuration.epsilon, into: output)
    }
}

/// Intermediate results of one side, planned once for the largest pass.
private struct T5Activations: Sendable {
    /// `[T, D]` each.
    let hidden: Tensor
    let normed: Tensor
    /// `[T, 3 A]` and `[T, A]`.
    let projections: Tensor
    let attended: Tensor
    /// `[T, F]`; the other where gates are stored apart.
    let intermediate: Tensor
    let gateScratch: Tensor?

    init(_ sizes: EncoderDecoderDescription, tokenCount: Int, isSplit: Bool, on backend: any Backend) throws {
        var plan = WorkspacePlan()
        let hidden = plan.float32([tokenCount, sizes.hiddenSize])
        let normed = plan.float32([tokenCount, sizes.hiddenSize])
        let projections = plan.float32([tokenCount, 3 * sizes.attentionSize])
        let attended = plan.float32([tokenCount, sizes.attentionSize])
        let intermediate = plan.float32([tokenCount, sizes.intermediateSize])
        let gateScratch = isSplit ? plan.float32([tokenCount, sizes.intermediateSize]) : nil
        let workspace = try plan.allocate(on: backend)
        self.hidden = workspace[hidden]
        self.normed = workspace[normed]
        self.projections = workspace[projections]
        self.attended = workspace[attended]
        self.intermediate = workspace[intermediate]
        self.gateScratch = gateScratch.map { workspace[$0] }
    }

    /// The first `count` rows of each.
    private init(_ all: T5Activations, rows count: Int) {
        let range = 0..<count
        hidden = all.hidden.rows(range)
        normed = all.normed.rows(range)
        projections = all.projections.rows(range)
        attended = all.attended.rows(range)
        intermediate = all.intermediate.rows(range)
        gateScratch = all.gateScratch?.rows(range)
    }

    func rows(_ count: Int) -> T5Activations { T5Activations(self, rows: count) }
}
