public import KVCache
internal import ModelIO
public import TensorCore

/// GPT-NeoX (Black et al., 2022) and Pythia: LayerNorms, rotary positions of a part of each head, and attention and
/// feed-forward part side by side on one residual stream.
///
///     h = embed[id]
///     each layer:  h += o(attention(rope(qkv(norm₁(h))))) + down(gelu(up(norm₂(h))))
///     logits = norm(h) · headᵀ
///
/// Some have the feed-forward part behind the attention instead, as other decoders do.
public final class GPTNeoXModel: DecoderModel {
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
    let configuration: GPTNeoXConfiguration
    let backend: any Backend
    let embedding: any Weight
    let layers: [Layer]
    let finalNorm: LayerNorm
    let head: any Weight
    /// `[contextLength, 2, rotarySize / 2]`.
    let ropeTable: Tensor
    let activations: DecoderActivations

    init(
        configuration: GPTNeoXConfiguration, backend: any Backend, limits: PassLimits, embedding: any Weight,
        layers: [Layer], finalNorm: LayerNorm, head: any Weight
    ) throws {
        self.configuration = configuration
        self.description = configuration.description
        self.backend = backend
        self.embedding = embedding
        self.layers = layers
        self.finalNorm = finalNorm
        self.head = head
        ropeTable = try configuration.rope.table(positions: limits.contextLength, on: backend)
        activations = try DecoderActivations(description, limits: limits, on: backend)
    }

    public func forward(_ batch: DeviceBatch, cache: KVCacheStorage, logits: Tensor) throws {
        var rows = activations.rows(batch)
        let projections = activations.projections(batch)
        let rope = RopeArguments(
            table: ropeTable, positions: batch.positions, rotarySize: configuration.rope.rotarySize,
            layout: .halfSplit)

        try backend.embed(batch.tokenIDs, embedding, accumulate: false, into: rows.hidden)
        for (index, (layer, cacheLayer)) in zip(layers, cache.layers).enumerated() {
            try norm(rows.hidden, layer.attentionNorm, into: rows.normed)
            try layer.projections(rows.normed, on: backend, into: projections.all)
            let attended = try activations.attend(
                rows, projections, rope: rope, parameters: layer.attention, cache: cacheLayer,
                batch: batch, isLastLayer: index == layers.count - 1, on: backend)
            guard let attended else { return }
            rows = attended
            // In parallel, the feed-forward part's input is taken before the attention's output is added.
            if configuration.hasParallelResidual { try norm(rows.hidden, layer.feedForwardNorm, into: rows.normed) }
            try layer.output(rows.attended, on: backend, residual: rows.hidden, into: rows.hidden)
            if !configuration.hasParallelResidual { try norm(rows.hidden, layer.feedForwardNorm, into: rows.normed) }
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
