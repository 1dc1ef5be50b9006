public import KVCache
internal import ModelIO
public import TensorCore

/// Llama (Touvron et al., 2023) and the models of its shape, Mistral, Qwen2, Qwen3, Phi-3 and Mixtral: RMSNorm before each
/// sublayer, rotary positions, grouped-query attention, a gated feed-forward part.
///
///     h = embed[id]
///     each layer:  h += o(attention(rope(qkv(norm(h)))));  h += down(silu(gate(norm(h))) * up(norm(h)))
///     logits = norm(h) · headᵀ
///
/// Qwen3 norms each head of query and key before rotating it. (Qwen team, 2025) The feed-forward part of Mixtral and
/// Qwen3-MoE is a mixture of experts.
public final class LlamaModel: DecoderModel {
    struct Layer: Sendable {
        let attentionNorm: Tensor
        let projections: Linear
        /// `[(H + KH) * headSize]`: the norms of query and key heads.
        let headNorms: Tensor?
        let output: Linear
        let feedForwardNorm: Tensor
        let feedForward: FeedForward
        let attention: AttentionParameters
    }

    enum FeedForward: Sendable {
        case gated(gateUp: GatedProjection, down: Linear)
        case experts(ExpertMixture)

        var isSplit: Bool {
            if case .gated(let gateUp, _) = self { gateUp.isSplit } else { false }
        }
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
    let expertActivations: ExpertActivations?

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
        ropeTable = try configuration.rope.table(positions: limits.contextLength, on: backend)
        activations = try DecoderActivations(
            description, limits: limits, hasSplitGates: layers.contains(where: \.feedForward.isSplit), on: backend)
        expertActivations = try configuration.experts.map {
            try ExpertActivations(
                $0, hiddenSize: configuration.description.hiddenSize, tokenCount: limits.tokenCount, on: backend)
        }
    }

    public func forward(_ batch: DeviceBatch, cache: KVCacheStorage, logits: Tensor) throws {
        var rows = activations.rows(batch)
        let projections = activations.projections(batch)
        let rope = RopeArguments(
            table: ropeTable, positions: batch.positions, rotarySize: configuration.rope.rotarySize,
            layout: configuration.ropeLayout)

        try backend.embed(batch.tokenIDs, embedding, accumulate: false, into: rows.hidden)
        for (index, (layer, cacheLayer)) in zip(layers, cache.layers).enumerated() {
            try norm(rows.hidden, layer.attentionNorm, into: rows.normed)
            try layer.projections(rows.normed, on: backend, into: projections.all)
            if let headNorms = layer.headNorms {
                try backend.rmsNormHeads(
                    projections.queryAndKey, headSize: description.headSize, weight: headNorms,
                    epsilon: configuration.rmsNormEpsilon)
            }
            let attended = try activations.attend(
                rows, projections, rope: rope, parameters: layer.attention, cache: cacheLayer, batch: batch,
                isLastLayer: index == layers.count - 1, on: backend)
            guard let attended else { return }
            rows = attended
            try layer.output(rows.attended, on: backend, residual: rows.hidden, into: rows.hidden)

            try norm(rows.hidden, layer.feedForwardNorm, into: rows.normed)
            try feedForward(layer.feedForward, rows)
        }
        try norm(rows.hidden, finalNorm, into: rows.normed)
        try backend.matmul(rows.normed, head, into: logits, epilogue: .none)
    }

    /// Adds the feed-forward part's output to the residual stream.
    private func feedForward(_ part: FeedForward, _ rows: DecoderRows) throws {
        switch part {
        case .gated(let gateUp, let down):
            try gateUp(rows.normed, on: backend, scratch: rows.gateScratch, into: rows.intermediate)
            try down(rows.intermediate, on: backend, residual: rows.hidden, into: rows.hidden)
        case .experts(let mixture):
            guard let scratch = expertActivations else { preconditionFailure("experts without activations") }
            try mixture(rows.normed, on: backend, scratch: scratch, residual: rows.hidden, into: rows.hidden)
        }
    }

    private func norm(_ x: Tensor, _ weight: Tensor, into output: Tensor) throws {
        try backend.rmsNorm(
            x, residual: nil, sum: nil, weight: weight, epsilon: configuration.rmsNormEpsilon, into: output)
    }
}
