public import KVCache
internal import ModelIO
public import TensorCore

/// Llama (Touvron et al., 2023) and the models of its shape: RMSNorm before each sublayer, rotary positions, grouped-query
/// attention, a gated feed-forward part.
///
///     h = embed[id]
///     each layer:  h += o(attention(rope(qkv(norm(h)))));  h += down(silu(gate(norm(h))) * up(norm(h)))
///     logits = norm(h) · headᵀ
public final class LlamaModel: DecoderModel {
    struct Layer: Sendable {
        let attentionNorm: Tensor
        let projections: Linear
        let output: Linear
        let feedForwardNorm: Tensor
        /// Gate and up projection as the two halves of one weight.
        let gateUp: Linear
        let down: Linear
        let attention: AttentionParameters
    }

    public let description: DecoderDescription
    let configuration: LlamaConfiguration
    let backend: any Backend
    let embedding: any Weight
    let layers: [Layer]
    let finalNorm: Tensor
    let head: any Weight
    /// `[contextLength, 2, rotarySize / 2]`.
    let ropeTable: Tensor
    let activations: DecoderActivations

    init(
        configuration: LlamaConfiguration, backend: any Backend, limits: PassLimits, embedding: any Weight,
        layers: [Layer], finalNorm: Tensor, head: any Weight
    ) throws {
        self.configuration = configuration
        self.description = configuration.description
        self.backend = backend
        self.embedding = embedding
        self.layers = layers
        self.finalNorm = finalNorm
        self.head = head
        ropeTable = try backend.makeTensor(
            configuration.rope.table(positions: limits.contextLength),
            [limits.contextLength, 2, configuration.rope.rotarySize / 2])
        activations = try DecoderActivations(description, limits: limits, on: backend)
    }

    public func forward(_ batch: DeviceBatch, cache: KVCacheStorage) throws {
        let (hidden, normed, projections, attended, intermediate) = activations.rows(batch.tokenCount)
        let queryWidth = description.headCount * description.headSize
        let keyWidth = description.keyValueHeadCount * description.headSize
        let query = projections.columns(0..<queryWidth)
        let key = projections.columns(queryWidth..<queryWidth + keyWidth)
        let value = projections.columns(queryWidth + keyWidth..<queryWidth + 2 * keyWidth)
        let rope = RopeArguments(
            table: ropeTable, positions: batch.positions, rotarySize: configuration.rope.rotarySize, layout: .halfSplit)

        try backend.embed(batch.tokenIDs, embedding, accumulate: false, into: hidden)
        for (layer, cacheLayer) in zip(layers, cache.layers) {
            try norm(hidden, layer.attentionNorm, into: normed)
            try layer.projections(normed, on: backend, into: projections)
            try backend.storeAndAttend(
                query: query, key: key, value: value, slots: batch.slots, rope: rope, cache: cacheLayer,
                batch: batch.attention, parameters: layer.attention, into: attended)
            try layer.output(attended, on: backend, residual: hidden, into: hidden)

            try norm(hidden, layer.feedForwardNorm, into: normed)
            try layer.gateUp(
                normed, on: backend, activation: configuration.activation, isGated: true, into: intermediate)
            try layer.down(intermediate, on: backend, residual: hidden, into: hidden)
        }
    }

    public func logits(rows: Tensor, into logits: Tensor) throws {
        let selected = activations.selected.rows(0..<rows.rows)
        let normed = activations.selectedNormed.rows(0..<rows.rows)
        try backend.gatherRows(activations.hidden, rows: rows, into: selected)
        try norm(selected, finalNorm, into: normed)
        try backend.matmul(normed, head, into: logits, epilogue: .none)
    }

    private func norm(_ x: Tensor, _ weight: Tensor, into output: Tensor) throws {
        try backend.rmsNorm(
            x, residual: nil, sum: nil, weight: weight, epsilon: configuration.rmsNormEpsilon, into: output)
    }
}
