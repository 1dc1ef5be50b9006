import KVCache
import ModelIO
import TensorCore

/// The layers of every decoder that is here: attention over the paged cache and a feed-forward part, each added to one
/// residual stream. What differs from family to family, the norms, biases, positions, gates and experts, lies in the weights
/// and in the `DecoderArchitecture`; each family's formula stands with its configuration.
///
///     h = scale · embed[id] (+ positions[p])
///     each layer:  h += norm(output(attention(rope(norm(qkv(norm(h)))))));  h += norm(feedForward(norm(h)))
///     logits = cap(head(norm(h)))
final class TransformerDecoder: DecoderModel {
    /// What lies outside of the layers.
    struct Ends: Sendable {
        /// `[V, D]`.
        let embedding: any Weight
        /// `[P, D]`.
        let positions: (any Weight)?
        let finalNorm: Norm
        let head: Linear
    }

    let description: DecoderDescription
    private let architecture: DecoderArchitecture
    private let backend: any Backend
    private let ends: Ends
    private let layers: [DecoderLayer]
    /// `[contextLength, 2, rotarySize / 2]` each.
    private let ropeTables: [RopeConfiguration: Tensor]
    private let workspace: DecoderWorkspace
    private let expertWorkspace: ExpertWorkspace?

    init(
        _ architecture: DecoderArchitecture, ends: Ends, layers: [DecoderLayer], limits: PassLimits,
        on backend: any Backend
    ) throws {
        self.architecture = architecture
        self.description = architecture.sizes
        self.backend = backend
        self.ends = ends
        self.layers = layers
        var tables: [RopeConfiguration: Tensor] = [:]
        for rope in Set(layers.compactMap(\.rope)) {
            tables[rope] = try rope.table(positions: limits.contextLength, on: backend)
        }
        ropeTables = tables
        workspace = try DecoderWorkspace(
            architecture.sizes, limits: limits, hasSplitGates: layers.contains(where: \.feedForward.isSplit),
            on: backend)
        expertWorkspace = try architecture.experts.map {
            try ExpertWorkspace(
                $0, hiddenSize: architecture.sizes.hiddenSize, tokenCount: limits.tokenCount, on: backend)
        }
    }

    func forward(_ batch: DeviceBatch, cache: KVCacheStorage, logits: Tensor) throws {
        guard let states = try hiddenStates(batch, cache: cache) else { return }
        try ends.head(states, on: backend, into: logits)
        if let cap = architecture.logitCap { try backend.softCap(logits, cap: cap, into: logits) }
    }

    func hiddenStates(_ batch: DeviceBatch, cache: KVCacheStorage) throws -> Tensor? {
        var rows = workspace.rows(batch)
        try embed(batch, into: rows.hidden)
        try layers.first?.attentionNorm?(rows.hidden, on: backend, into: rows.normed)
        for (index, (layer, cacheLayer)) in zip(layers, cache.layers).enumerated() {
            guard let attended = try attend(index, layer, rows, cacheLayer, batch) else { return nil }
            let isSelection = attended.hidden.rows != rows.hidden.rows
            rows = attended
            let next = index + 1 < layers.count ? layers[index + 1].attentionNorm : ends.finalNorm
            switch architecture.order {
            case .sequential:
                try add(behind: layer.afterAttentionNorm, thenNorm: layer.feedForwardNorm, rows) {
                    try layer.output(rows.attended, adapters: rows.adapters, on: backend, residual: $0, into: $1)
                }
            case .parallel:
                // The feed-forward part's input is taken before the attention's output is added.
                if let own = layer.feedForwardNorm ?? (isSelection ? layer.attentionNorm : nil) {
                    try own(rows.hidden, on: backend, into: rows.normed)
                }
                try layer.output(
                    rows.attended, adapters: rows.adapters, on: backend, residual: rows.hidden, into: rows.hidden)
            }
            let input = layer.feedForwardNorm == nil && architecture.order == .sequential ? rows.hidden : rows.normed
            try add(behind: layer.afterFeedForwardNorm, thenNorm: next, rows) {
                try layer.feedForward(
                    input, rows, experts: expertWorkspace, residual: $0, on: backend, into: $1)
            }
        }
        return rows.normed
    }

    /// The residual stream is kept divided by `residualScale`, so that sublayers add to it what they put out. Norms take no
    /// notice of it, once their epsilons are divided by its square, which the loader does.
    private func embed(_ batch: DeviceBatch, into hidden: Tensor) throws {
        try backend.embed(
            batch.tokenIDs, ends.embedding, scale: architecture.embeddingScale / architecture.residualScale,
            accumulate: false, into: hidden)
        if let positions = ends.positions {
            try backend.embed(batch.positions, positions, accumulate: true, into: hidden)
        }
    }

    /// The attention of a layer, whose normed input is in `rows.normed`; without a norm the residual stream is the input.
    /// - Returns: the rows that go on; `nil` where none is wanted.
    private func attend(
        _ index: Int, _ layer: DecoderLayer, _ rows: DecoderRows, _ cache: KVCacheLayer, _ batch: DeviceBatch
    ) throws -> DecoderRows? {
        let projections = workspace.projections(batch)
        let input = layer.attentionNorm == nil ? rows.hidden : rows.normed
        try layer.projections(input, adapters: rows.adapters, on: backend, into: projections.all)
        try layer.headNorms?(projections.queryAndKey, on: backend)
        let rope = layer.rope.flatMap { rope in
            ropeTables[rope].map {
                RopeArguments(
                    table: $0, positions: batch.positions, rotarySize: rope.rotarySize,
                    layout: architecture.ropeLayout)
            }
        }
        return try workspace.attend(
            rows, projections, rope: rope, parameters: layer.attention, cache: cache, batch: batch,
            isLastLayer: index == layers.count - 1, on: backend)
    }

    /// Adds a sublayer's output, normed where it has a norm behind it, to the residual stream, and norms that for the next
    /// sublayer.
    /// - Parameter sublayer: writes the output, plus a residual where it is given one.
    private func add(
        behind after: Norm?, thenNorm next: Norm?, _ rows: DecoderRows,
        _ sublayer: (_ residual: Tensor?, _ output: Tensor) throws -> Void
    ) throws {
        guard let after else {
            try sublayer(rows.hidden, rows.hidden)
            try next?(rows.hidden, on: backend, into: rows.normed)
            return
        }
        try sublayer(nil, rows.normed)
        try after(rows.normed, on: backend, into: rows.normed)
        // Where the next sublayer has no norm before it, the sum is all that is wanted of this one.
        try (next ?? after)(rows.normed, addingTo: rows.hidden, on: backend, into: rows.normed)
    }
}
