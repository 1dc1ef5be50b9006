public import KVCache
public import TensorCore

/// GPT-2 (Radford et al., 2019): learned positions, LayerNorm before each sublayer and once at the end, GELU, head tied to
/// the embedding.
///
///     h = wte[id] + wpe[position]
///     each layer:  h += proj(attention(qkv(ln1(h))));  h += down(gelu(up(ln2(h))))
///     logits = lnf(h) · wteᵀ
public final class GPT2Model: DecoderModel {
    struct Layer: Sendable {
        let attentionNorm: LayerNorm
        let projections: Linear
        let output: Linear
        let feedForwardNorm: LayerNorm
        let up: Linear
        let down: Linear
        let attention: AttentionParameters
    }

    struct LayerNorm: Sendable {
        let weight: Tensor
        let bias: Tensor
    }

    public let description: DecoderDescription
    let configuration: GPT2Configuration
    let backend: any Backend
    let tokenEmbedding: any Weight
    let positionEmbedding: any Weight
    let layers: [Layer]
    let finalNorm: LayerNorm
    let head: any Weight
    let activations: DecoderActivations

    init(
        configuration: GPT2Configuration, backend: any Backend, limits: PassLimits, tokenEmbedding: any Weight,
        positionEmbedding: any Weight, layers: [Layer], finalNorm: LayerNorm, head: any Weight
    ) throws {
        self.configuration = configuration
        self.description = configuration.description
        self.backend = backend
        self.tokenEmbedding = tokenEmbedding
        self.positionEmbedding = positionEmbedding
        self.layers = layers
        self.finalNorm = finalNorm
        self.head = head
        activations = try DecoderActivations(description, limits: limits, on: backend)
    }

    public func forward(_ batch: DeviceBatch, cache: KVCacheStorage) throws {
        let (hidden, normed, projections, attended, intermediate) = activations.rows(batch.tokenCount)
        let width = description.hiddenSize
        let query = projections.columns(0..<width)
        let key = projections.columns(width..<2 * width)
        let value = projections.columns(2 * width..<3 * width)

        try backend.embed(batch.tokenIDs, tokenEmbedding, accumulate: false, into: hidden)
        try backend.embed(batch.positions, positionEmbedding, accumulate: true, into: hidden)
        for (layer, cacheLayer) in zip(layers, cache.layers) {
            try norm(hidden, layer.attentionNorm, into: normed)
            try layer.projections(normed, on: backend, into: projections)
            try backend.storeAndAttend(
                query: query, key: key, value: value, slots: batch.slots, rope: nil, cache: cacheLayer,
                batch: batch.attention, parameters: layer.attention, into: attended)
            try layer.output(attended, on: backend, residual: hidden, into: hidden)

            try norm(hidden, layer.feedForwardNorm, into: normed)
            try layer.up(normed, on: backend, activation: configuration.activation, into: intermediate)
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

    private func norm(_ x: Tensor, _ norm: LayerNorm, into output: Tensor) throws {
        try backend.layerNorm(
            x, residual: nil, sum: nil, weight: norm.weight, bias: norm.bias,
            epsilon: configuration.layerNormEpsilon, into: output)
    }
}
