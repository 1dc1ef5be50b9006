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

    public func forward(_ batch: DeviceBatch, cache: KVCacheStorage, logits: Tensor) throws {
        var rows = activations.rows(batch)
        let queryWidth = description.headCount * description.headSize
        let keyWidth = description.keyValueHeadCount * description.headSize
        let projections = activations.projections.rows(0..<batch.tokenCount)
        let key = projections.columns(queryWidth..<queryWidth + keyWidth)
        let value = projections.columns(queryWidth + keyWidth..<queryWidth + 2 * keyWidth)
        let rope = RopeArguments(
            table: ropeTable, positions: batch.positions, rotarySize: configuration.rope.rotarySize,
            layout: configuration.ropeLayout)

        try backend.embed(batch.tokenIDs, embedding, accumulate: false, into: rows.hidden)
        for (index, (layer, cacheLayer)) in zip(layers, cache.layers).enumerated() {
            try norm(rows.hidden, layer.attentionNorm, into: rows.normed)
            try layer.projections(rows.normed, on: backend, into: projections)
            let attended = try activations.attend(
                rows, keyValue: (key, value), rope: rope, parameters: layer.attention, cache: cacheLayer, batch: batch,
                isLastLayer: index == layers.count - 1, on: backend)
            guard let attended else { return }
            rows = attended
            try layer.output(rows.attended, on: backend, residual: rows.hidden, into: rows.hidden)

            try norm(rows.hidden, layer.feedForwardNorm, into: rows.normed)
            try layer.gateUp(
                rows.normed, on: backend, activation: configuration.activation, isGated: true,
                into: rows.intermediate)
            try layer.down(rows.intermediate, on: backend, residual: rows.hidden, into: rows.hidden)
        }
        try norm(rows.hidden, finalNorm, into: rows.normed)
        try backend.matmul(rows.normed, head, into: logits, epilogue: .none)
    }

    private func norm(_ x: Tensor, _ weight: Tensor, into output: Tensor) throws {
        try backend.rmsNorm(
            x, residual: nil, sum: nil, weight: weight, epsilon: configuration.rmsNormEpsilon, into: output)
    }
}
