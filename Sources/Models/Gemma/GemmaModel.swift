public import KVCache
internal import ModelIO
public import TensorCore

/// Gemma 2 (Gemma team, 2024) and the text model of Gemma 3 (Gemma team, 2025): Llama's sublayers with a norm before and
/// one after each, a scaled embedding, layers that see a window between layers that see everything, and caps on scores
/// and logits.
///
///     h = √D · embed[id]
///     each layer:  h += norm₂(o(attention(rope(qkv(norm₁(h))))));  h += norm₄(down(gelu(gate(norm₃(h))) * up(norm₃(h))))
///     logits = cap(norm(h) · headᵀ)
///
/// Gemma 3 norms each head of query and key before rotating it, has another rotary base where a layer sees a window, and
/// no caps. Of its models that take images this is the language model.
public final class GemmaModel: DecoderModel {
    struct Layer: Sendable {
        let attentionNorm: Tensor
        let projections: Linear
        /// `[(H + KH) * headSize]`: the norms of query and key heads.
        let headNorms: Tensor?
        let output: Linear
        let afterAttentionNorm: Tensor
        let feedForwardNorm: Tensor
        let gateUp: GatedProjection
        let down: Linear
        let afterFeedForwardNorm: Tensor
        let attention: AttentionParameters
    }

    public let description: DecoderDescription
    let configuration: GemmaConfiguration
    let backend: any Backend
    let embedding: any Weight
    let layers: [Layer]
    let finalNorm: Tensor
    let head: any Weight
    /// `[contextLength, 2, rotarySize / 2]`, of the layers that see all tokens and of those that see a window.
    let globalRopeTable: Tensor
    let localRopeTable: Tensor
    let activations: DecoderActivations

    init(
        configuration: GemmaConfiguration, backend: any Backend, limits: PassLimits, embedding: any Weight,
        layers: [Layer], finalNorm: Tensor, head: any Weight
    ) throws {
        self.configuration = configuration
        self.description = configuration.description
        self.backend = backend
        self.embedding = embedding
        self.layers = layers
        self.finalNorm = finalNorm
        self.head = head
        globalRopeTable = try configuration.globalRope.table(positions: limits.contextLength, on: backend)
        localRopeTable =
            configuration.localRope == configuration.globalRope
            ? globalRopeTable : try configuration.localRope.table(positions: limits.contextLength, on: backend)
        activations = try DecoderActivations(
            description, limits: limits, hasSplitGates: layers.contains(where: \.gateUp.isSplit), on: backend)
    }

    public func forward(_ batch: DeviceBatch, cache: KVCacheStorage, logits: Tensor) throws {
        var rows = activations.rows(batch)
        let projections = activations.projections(batch)

        try backend.embed(
            batch.tokenIDs, embedding, scale: Float(description.hiddenSize).squareRoot(), accumulate: false,
            into: rows.hidden)
        try norm(rows.hidden, layers.first?.attentionNorm ?? finalNorm, into: rows.normed)
        for (index, (layer, cacheLayer)) in zip(layers, cache.layers).enumerated() {
            try layer.projections(rows.normed, on: backend, into: projections.all)
            if let headNorms = layer.headNorms {
                try backend.rmsNormHeads(
                    projections.queryAndKey, headSize: description.headSize, weight: headNorms,
                    epsilon: configuration.rmsNormEpsilon)
            }
            let attended = try activations.attend(
                rows, projections, rope: rope(layer, batch), parameters: layer.attention, cache: cacheLayer,
                batch: batch, isLastLayer: index == layers.count - 1, on: backend)
            guard let attended else { return }
            rows = attended
            try layer.output(rows.attended, on: backend, into: rows.normed)
            try add(rows, normedBy: layer.afterAttentionNorm, thenNorm: layer.feedForwardNorm)

            try layer.gateUp(rows.normed, on: backend, scratch: rows.gateScratch, into: rows.intermediate)
            try layer.down(rows.intermediate, on: backend, into: rows.normed)
            let next = index + 1 < layers.count ? layers[index + 1].attentionNorm : finalNorm
            try add(rows, normedBy: layer.afterFeedForwardNorm, thenNorm: next)
        }
        try backend.matmul(rows.normed, head, into: logits, epilogue: .none)
        if let cap = configuration.logitCap { try backend.softCap(logits, cap: cap, into: logits) }
    }

    private func rope(_ layer: Layer, _ batch: DeviceBatch) -> RopeArguments {
        let isLocal = layer.attention.slidingWindow != nil
        return RopeArguments(
            table: isLocal ? localRopeTable : globalRopeTable, positions: batch.positions,
            rotarySize: (isLocal ? configuration.localRope : configuration.globalRope).rotarySize, layout: .halfSplit)
    }

    /// Adds what a sublayer left in `rows.normed`, normed, to the residual stream, and norms that for the next sublayer.
    private func add(_ rows: DecoderRows, normedBy after: Tensor, thenNorm next: Tensor) throws {
        try norm(rows.normed, after, into: rows.normed)
        try backend.rmsNorm(
            rows.normed, residual: rows.hidden, sum: rows.hidden, weight: next, epsilon: configuration.rmsNormEpsilon,
            into: rows.normed)
    }

    private func norm(_ x: Tensor, _ weight: Tensor, into output: Tensor) throws {
        try backend.rmsNorm(
            x, residual: nil, sum: nil, weight: weight, epsilon: configuration.rmsNormEpsilon, into: output)
    }
}
