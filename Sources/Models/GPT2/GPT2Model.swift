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

    public func forward(_ batch: DeviceBatch, cache: KVCacheStorage, logits: Tensor) throws {
        var rows = activations.rows(batch)
        let projections = activations.projections(batch)

        try backend.embed(batch.tokenIDs, tokenEmbedding, accumulate: false, into: rows.hidden)
        try backend.embed(batch.positions, positionEmbedding, accumulate: true, into: rows.hidden)
        for (index, (layer, cacheLayer)) in zip(layers, cache.layers).enumerated() {
            try norm(rows.hidden, layer.attentionNorm, into: rows.normed)
            try layer.projections(rows.normed, on: backend, into: projections.all)
            let attended = try activations.attend(
                rows, projections, rope: nil, parameters: layer.attention, cache: cacheLayer, batch: batch,
                isLastLayer: index == layers.count - 1, on: backend)
            guard let attended else { return }
            rows = attended
            try layer.output(rows.attended, on: backend, residual: rows.hidden, into: rows.hidden)

            try norm(rows.hidden, layer.feedForwardNorm, into: rows.normed)
            try layer.up(rows.normed, on: backend, activation: configuration.activation, into: rows.intermediate)
            try layer.down(rows.intermediate, on: backend, residual: rows.hidden, into: rows.hidden)
        }
        try norm(rows.hidden, finalNorm, into: rows.normed)
        try backend.matmul(rows.normed, head, into: logits, epilogue: .none)
    }

    private func norm(_ x: Tensor, _ norm: LayerNorm, into output: Tensor) throws {
        try norm(x, epsilon: configuration.layerNormEpsilon, on: backend, into: output)
    }
}
