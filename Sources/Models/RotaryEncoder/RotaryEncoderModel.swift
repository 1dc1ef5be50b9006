import ModelIO
import TensorCore

/// An encoder with rotary positions and gated feed-forward parts, as its architecture says
/// (`RotaryEncoderArchitecture`).
///
/// Legend: `S` sequences, `T` tokens, `D` hidden size, `F` intermediate size.
final class RotaryEncoderModel: EncoderModel {
    struct Embeddings: Sendable {
        let words: any Weight
        /// `nil` where the model knows no segments.
        let segments: (any Weight)?
        let norm: LayerNorm
    }

    struct Layer: Sendable {
        let attention: RotaryEncoderArchitecture.Attention
        /// `nil`: attention reads the residual stream as it is.
        let attentionNorm: LayerNorm?
        let projections: Linear
        let output: Linear
        let feedForwardNorm: LayerNorm
        let gates: GatedProjection
        let down: Linear
    }

    let architecture: RotaryEncoderArchitecture
    let backend: any Backend
    let embeddings: Embeddings
    let layers: [Layer]
    let finalNorm: LayerNorm?
    let head: RotaryEncoderHead
    private let limits: PassLimits
    /// By the layers' kinds.
    private let ropes: [RopeConfiguration: Tensor]
    private let windows: [Int: RelativePositionBias]
    private let activations: RotaryEncoderActivations

    var description: EncoderDescription { architecture.description }

    init(
        _ architecture: RotaryEncoderArchitecture, on backend: any Backend, limits: PassLimits, embeddings: Embeddings,
        layers: [Layer], finalNorm: LayerNorm?, head: RotaryEncoderHead
    ) throws {
        self.architecture = architecture
        self.limits = limits
        self.backend = backend
        self.embeddings = embeddings
        self.layers = layers
        self.finalNorm = finalNorm
        self.head = head
        let kinds = Set(layers.map(\.attention))
        ropes = Dictionary(
            try Set(kinds.map(\.rope)).map { ($0, try $0.table(positions: limits.contextLength, on: backend)) },
            uniquingKeysWith: { first, _ in first })
        let headCount = architecture.description.headCount
        windows = Dictionary(
            try Set(kinds.compactMap(\.reach)).map { reach in
                (reach, try RotaryEncoderModel.window(reach, headCount: headCount, on: backend))
            }, uniquingKeysWith: { first, _ in first })
        activations = try RotaryEncoderActivations(
            architecture.description, isSplit: layers.contains { $0.gates.isSplit }, limits: limits, on: backend)
    }

    /// A bias that leaves `reach` tokens to both sides as they are. What is further away weighs nothing.
    private static func window(_ reach: Int, headCount: Int, on backend: any Backend) throws -> RelativePositionBias {
        var row = [Float](repeating: 0, count: 2 * (reach + 1) + 1)
        // Finite, so that a block of keys that are all hidden leaves no infinity to subtract.
        row[0] = -1e30
        row[row.count - 1] = -1e30
        let rows = (0..<headCount).flatMap { _ in row }
        return RelativePositionBias(table: try backend.makeTensor(rows, [headCount, row.count]))
    }

    func twin(on backend: any Backend) throws -> any EncoderModel {
        try RotaryEncoderModel(
            architecture, on: backend, limits: limits, embeddings: embeddings, layers: layers, finalNorm: finalNorm,
            head: head)
    }

    func forward(_ batch: EncoderBatch) throws -> [EncoderOutput] {
        let rows = activations.rows(batch.tokenCount)
        try embed(batch, into: rows.hidden)
        for layer in layers {
            try attend(layer, batch, rows)
            try feedForward(layer, rows)
        }
        if let finalNorm { try norm(rows.hidden, finalNorm, into: rows.hidden) }
        return try outputs(batch, rows)
    }

    private func embed(_ batch: EncoderBatch, into hidden: Tensor) throws {
        try backend.embed(batch.tokenIDs, embeddings.words, accumulate: false, into: hidden)
        if let segments = embeddings.segments {
            try backend.embed(batch.segments, segments, accumulate: true, into: hidden)
        }
        try norm(hidden, embeddings.norm, into: hidden)
    }

    private func attend(_ layer: Layer, _ batch: EncoderBatch, _ rows: RotaryEncoderActivations) throws {
        var input = rows.hidden
        if architecture.order == .normFirst, let attentionNorm = layer.attentionNorm {
            input = rows.normed
            try norm(rows.hidden, attentionNorm, into: input)
        }
        try layer.projections(input, on: backend, into: rows.projections)
        let width = description.hiddenSize
        if let table = ropes[layer.attention.rope] {
            try backend.rope(
                rows.projections.columns(0..<2 * width), headSize: description.headSize,
                RopeArguments(
                    table: table, positions: batch.positions, rotarySize: layer.attention.rope.rotarySize,
                    layout: .halfSplit))
        }
        // Texts that fit in the window are seen whole.
        let reach = layer.attention.reach.flatMap { batch.attention.maxKeyCount > $0 + 1 ? $0 : nil }
        try backend.encoderAttention(
            query: rows.projections.columns(0..<width), key: rows.projections.columns(width..<2 * width),
            value: rows.projections.columns(2 * width..<3 * width), batch: batch.attention,
            parameters: EncoderAttentionParameters(
                headCount: description.headCount, scale: 1 / Float(description.headSize).squareRoot()),
            bias: reach.flatMap { windows[$0] }, into: rows.attended)
        try layer.output(rows.attended, on: backend, residual: rows.hidden, into: rows.hidden)
        if architecture.order == .normLast, let attentionNorm = layer.attentionNorm {
            try norm(rows.hidden, attentionNorm, into: rows.hidden)
        }
    }

    private func feedForward(_ layer: Layer, _ rows: RotaryEncoderActivations) throws {
        var input = rows.hidden
        if architecture.order == .normFirst {
            input = rows.normed
            try norm(rows.hidden, layer.feedForwardNorm, into: input)
        }
        try layer.gates(input, on: backend, scratch: rows.gateScratch, into: rows.intermediate)
        try layer.down(rows.intermediate, on: backend, residual: rows.hidden, into: rows.hidden)
        if architecture.order == .normLast { try norm(rows.hidden, layer.feedForwardNorm, into: rows.hidden) }
    }

    private func norm(_ x: Tensor, _ norm: LayerNorm, into output: Tensor) throws {
        try norm(x, epsilon: architecture.normEpsilon, on: backend, into: output)
    }

    // MARK: Heads

    private func outputs(_ batch: EncoderBatch, _ rows: RotaryEncoderActivations) throws -> [EncoderOutput] {
        let tokens = 0..<batch.tokenCount
        let sequences = 0..<batch.sequenceCount
        switch head {
        case .hiddenStates(let pooler):
            let states = EncoderOutput("last_hidden_state", .tokens, rows.hidden)
            guard let pooler else { return [states] }
            return [states, EncoderOutput("pooler_output", .sequences, try pool(batch, rows, pooler))]
        case .sequence(let pooler, let transform, let classifier):
            var pooled = try pool(batch, rows, pooler)
            if let transform { pooled = try transformed(pooled, transform, into: activations.first.rows(sequences)) }
            let logits = activations.logits.rows(sequences)
            try classifier(pooled, on: backend, into: logits)
            return [EncoderOutput("logits", .sequences, logits)]
        case .tokens(let transform, let classifier, let isSpan):
            let states = try transform.map { try transformed(rows.hidden, $0, into: rows.attended) } ?? rows.hidden
            let logits = activations.logits.rows(tokens)
            try classifier(states, on: backend, into: logits)
            guard isSpan else { return [EncoderOutput("logits", .tokens, logits)] }
            return [
                EncoderOutput("start_logits", .tokens, logits.columns(0..<1), isScalar: true),
                EncoderOutput("end_logits", .tokens, logits.columns(1..<2), isScalar: true),
            ]
        }
    }

    private func transformed(
        _ x: Tensor, _ transform: RotaryEncoderHead.Transform, into output: Tensor
    ) throws -> Tensor {
        try transform.dense(x, on: backend, activation: transform.activation, into: output)
        try norm(output, transform.norm, into: output)
        return output
    }

    /// A row a text: its first token's or the mean, through the pooler where there is one. (`[S, D]`)
    private func pool(_ batch: EncoderBatch, _ rows: RotaryEncoderActivations, _ pooler: Linear?) throws -> Tensor {
        let sequences = 0..<batch.sequenceCount
        let pooled = activations.pooled.rows(sequences)
        switch architecture.pooling {
        case .firstToken:
            let first = pooler == nil ? pooled : activations.first.rows(sequences)
            try backend.gatherRows(rows.hidden, rows: batch.firstRows, into: first)
            guard let pooler else { return pooled }
            try pooler(first, on: backend, into: pooled)
            // Capped at 1, a number is its hyperbolic tangent.
            try backend.softCap(pooled, cap: 1, into: pooled)
            return pooled
        case .mean:
            // Attention whose scores are all zero weighs all tokens alike.
            let queries = EncoderAttentionBatch(
                queryOffsets: activations.sequenceNumbers.rows(0..<batch.sequenceCount + 1),
                keyRanges: batch.attention.keyRanges, tokenCount: batch.sequenceCount, maxQueryCount: 1,
                maxKeyCount: batch.attention.maxKeyCount)
            try backend.encoderAttention(
                query: rows.projections.columns(0..<description.hiddenSize).rows(sequences), key: rows.hidden,
                value: rows.hidden, batch: queries,
                parameters: EncoderAttentionParameters(headCount: description.headCount, scale: 0), bias: nil,
                into: pooled)
            return pooled
        }
    }
}

/// What is computed from the hidden states.
enum RotaryEncoderHead: Sendable {
    struct Transform: Sendable {
        let dense: Linear
        let activation: Activation
        let norm: LayerNorm
    }

    /// A pooler ends in tanh.
    case hiddenStates(pooler: Linear?)
    case sequence(pooler: Linear?, Transform?, classifier: Linear)
    /// A row a token: of a label or a token each, or two numbers where an answer starts and ends.
    case tokens(Transform?, classifier: Linear, isSpan: Bool)
}

/// Intermediate results, planned once for the largest pass.
private struct RotaryEncoderActivations: Sendable {
    /// `[T, D]`, `[T, D]`, `[T, 3 D]`, `[T, D]` and `[T, F]`.
    var hidden: Tensor
    var normed: Tensor
    var projections: Tensor
    var attended: Tensor
    var intermediate: Tensor
    /// `[T, F]`, for gates of two formats.
    var gateScratch: Tensor?
    /// `[S, D]` each.
    let first: Tensor
    let pooled: Tensor
    /// `[T, C]`, or `[S, C]` where the head answers for sequences.
    let logits: Tensor
    /// `[S + 1]` int32: 0, 1, 2, …
    let sequenceNumbers: Tensor

    init(_ sizes: EncoderDescription, isSplit: Bool, limits: PassLimits, on backend: any Backend) throws {
        let (tokens, sequences, width) = (limits.tokenCount, limits.logitRowCount, sizes.hiddenSize)
        let logitShape: Shape =
            switch sizes.task {
            case .hiddenStates: [1, 1]
            case .nextSentence, .sequenceClassification: [sequences, sizes.outputSize]
            case .maskedLanguageModel, .tokenClassification, .questionAnswering: [tokens, sizes.outputSize]
            }
        var plan = WorkspacePlan()
        let hidden = plan.float32([tokens, width])
        let normed = plan.float32([tokens, width])
        let projections = plan.float32([tokens, 3 * width])
        let attended = plan.float32([tokens, width])
        let intermediate = plan.float32([tokens, sizes.intermediateSize])
        let gateScratch = isSplit ? plan.float32([tokens, sizes.intermediateSize]) : nil
        let first = plan.float32([sequences, width])
        let pooled = plan.float32([sequences, width])
        let logits = plan.float32(logitShape)
        let workspace = try plan.allocate(on: backend)
        self.hidden = workspace[hidden]
        self.normed = workspace[normed]
        self.projections = workspace[projections]
        self.attended = workspace[attended]
        self.intermediate = workspace[intermediate]
        self.gateScratch = gateScratch.map { workspace[$0] }
        self.first = workspace[first]
        self.pooled = workspace[pooled]
        self.logits = workspace[logits]
        sequenceNumbers = try backend.makeTensor((0...Int32(sequences)).map { $0 }, [sequences + 1])
    }

    /// Those of so many tokens.
    func rows(_ count: Int) -> RotaryEncoderActivations {
        var part = self
        let tokens = 0..<count
        part.hidden = hidden.rows(tokens)
        part.normed = normed.rows(tokens)
        part.projections = projections.rows(tokens)
        part.attended = attended.rows(tokens)
        part.intermediate = intermediate.rows(tokens)
        part.gateScratch = gateScratch?.rows(tokens)
        return part
    }
}
