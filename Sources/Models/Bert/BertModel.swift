public import TensorCore

/// BERT (Devlin et al., 2019), RoBERTa (Liu et al., 2019), XLM-RoBERTa (Conneau et al., 2020), CamemBERT (Martin et al., 2020)
/// and DistilBERT (Sanh et al., 2019): learned positions, attention to all tokens, LayerNorm behind each sublayer. ELECTRA
/// (Clark et al., 2020) and ALBERT (Lan et al., 2020) project narrower embeddings, and ALBERT's layers share their weights.
/// MPNet (Song et al., 2020) has a bias by distance that all layers share, DeBERTa (He et al., 2021) scores by distance beside
/// or instead of positions.
///
///     h = project?(norm(word[id] + position[p] + segment[s]))
///     each layer:  h = norm(h + out(attention(qkv(h))));  h = norm(h + down(gelu(up(h))))
///
/// Legend: `S` sequences, `T` tokens, `D` hidden size, `E` features of embeddings, `F` intermediate size.
public final class BertModel: EncoderModel {
    struct Embeddings: Sendable {
        let words: any Weight
        /// `nil` where attention alone tells positions apart.
        let positions: (any Weight)?
        /// `nil` where the model knows no segments.
        let segments: (any Weight)?
        let norm: LayerNorm
        /// From the embeddings' features to those of the layers; `nil` where they are the same.
        let projection: Linear?
    }

    struct Layer: Sendable {
        let projections: Linear
        /// `nil` where attention does not look at distances.
        let distances: DistanceWeights?
        let output: Linear
        let attentionNorm: LayerNorm
        let up: Linear
        let down: Linear
        let outputNorm: LayerNorm
    }

    public let description: EncoderDescription
    let configuration: BertConfiguration
    let backend: any Backend
    let embeddings: Embeddings
    let layers: [Layer]
    /// By distance, of all layers; `nil`: none.
    let bias: RelativePositionBias?
    let head: BertHead
    private let limits: PassLimits
    private let activations: BertActivations
    private let scores: DistanceScores?

    init(
        configuration: BertConfiguration, backend: any Backend, limits: PassLimits, embeddings: Embeddings,
        layers: [Layer], bias: RelativePositionBias?, head: BertHead
    ) throws {
        self.configuration = configuration
        self.description = configuration.description
        self.backend = backend
        self.embeddings = embeddings
        self.layers = layers
        self.bias = bias
        self.head = head
        self.limits = limits
        activations = try BertActivations(configuration.description, head: head, limits: limits, on: backend)
        scores = try configuration.distances.map {
            try DistanceScores($0, configuration.description, tokenCount: limits.tokenCount, on: backend)
        }
    }

    public func twin(on backend: any Backend) throws -> any EncoderModel {
        try BertModel(
            configuration: configuration, backend: backend, limits: limits, embeddings: embeddings, layers: layers,
            bias: bias, head: head)
    }

    public func forward(_ batch: EncoderBatch) throws -> [EncoderOutput] {
        let tokens = 0..<batch.tokenCount
        let hidden = activations.hidden.rows(tokens)
        let attended = activations.attended.rows(tokens)
        let intermediate = activations.intermediate.rows(tokens)
        let projections = activations.projections.rows(tokens)
        let width = description.hiddenSize
        let parameters = EncoderAttentionParameters(
            headCount: description.headCount, scale: configuration.attentionScale)

        try embed(batch, into: hidden)
        for layer in layers {
            try layer.projections(hidden, on: backend, into: projections)
            let (query, key) = (projections.columns(0..<width), projections.columns(width..<2 * width))
            let relative = try layer.distances.flatMap {
                try scores?.compute($0, query: query, key: key, on: backend)
            }
            try backend.encoderAttention(
                query: query, key: key, value: projections.columns(2 * width..<3 * width), batch: batch.attention,
                parameters: parameters, bias: bias, relative: relative, into: attended)
            try layer.output(attended, on: backend, residual: hidden, into: hidden)
            try norm(hidden, layer.attentionNorm)
            try layer.up(hidden, on: backend, activation: configuration.activation, into: intermediate)
            try layer.down(intermediate, on: backend, residual: hidden, into: hidden)
            try norm(hidden, layer.outputNorm)
        }
        return try outputs(batch, hidden)
    }

    private func embed(_ batch: EncoderBatch, into hidden: Tensor) throws {
        let embedded = embeddings.projection == nil ? hidden : activations.embedded.rows(0..<hidden.rows)
        try backend.embed(batch.tokenIDs, embeddings.words, accumulate: false, into: embedded)
        if let positions = embeddings.positions {
            try backend.embed(batch.positions, positions, accumulate: true, into: embedded)
        }
        if let segments = embeddings.segments {
            try backend.embed(batch.segments, segments, accumulate: true, into: embedded)
        }
        try norm(embedded, embeddings.norm)
        try embeddings.projection?(embedded, on: backend, into: hidden)
    }

    private func norm(_ x: Tensor, _ norm: LayerNorm) throws {
        try norm(x, epsilon: configuration.layerNormEpsilon, on: backend, into: x)
    }

    // MARK: Heads

    private func outputs(_ batch: EncoderBatch, _ hidden: Tensor) throws -> [EncoderOutput] {
        let sequences = 0..<batch.sequenceCount
        let logits = activations.logits
        switch head {
        case .hiddenStates(let pooler):
            let states = EncoderOutput("last_hidden_state", .tokens, hidden)
            guard let pooler else { return [states] }
            let pooled = try pool(batch, hidden, pooler, .tanh)
            return [states, EncoderOutput("pooler_output", .sequences, pooled)]
        case .maskedLanguageModel(let transform, let norm, let decoder):
            let transformed = activations.embedded.rows(0..<hidden.rows)
            try transform(hidden, on: backend, activation: configuration.headActivation, into: transformed)
            try self.norm(transformed, norm)
            try decoder(transformed, on: backend, into: logits.rows(0..<hidden.rows))
            return [EncoderOutput("logits", .tokens, logits.rows(0..<hidden.rows))]
        case .sequence(let pooler, let activation, let classifier):
            let pooled = try pool(batch, hidden, pooler, activation)
            try classifier(pooled, on: backend, into: logits.rows(sequences))
            return [EncoderOutput("logits", .sequences, logits.rows(sequences))]
        case .tokens(let classifier):
            try classifier(hidden, on: backend, into: logits.rows(0..<hidden.rows))
            return [EncoderOutput("logits", .tokens, logits.rows(0..<hidden.rows))]
        case .span(let classifier):
            let rows = logits.rows(0..<hidden.rows)
            try classifier(hidden, on: backend, into: rows)
            return [
                EncoderOutput("start_logits", .tokens, rows.columns(0..<1), isScalar: true),
                EncoderOutput("end_logits", .tokens, rows.columns(1..<2), isScalar: true),
            ]
        }
    }

    /// A layer on the first token of each text, and its activation.
    private func pool(
        _ batch: EncoderBatch, _ hidden: Tensor, _ layer: Linear, _ activation: Activation
    ) throws -> Tensor {
        let isTanh = activation == .tanh
        let sequences = 0..<batch.sequenceCount
        let first = activations.first.rows(sequences)
        let pooled = activations.pooled.rows(sequences)
        try backend.gatherRows(hidden, rows: batch.firstRows, into: first)
        try layer(first, on: backend, activation: isTanh ? nil : activation, into: pooled)
        // Capped at 1, a number is its hyperbolic tangent.
        if isTanh { try backend.softCap(pooled, cap: 1, into: pooled) }
        return pooled
    }
}

/// What is computed from the hidden states.
enum BertHead: Sendable {
    case hiddenStates(pooler: Linear?)
    case maskedLanguageModel(transform: Linear, norm: LayerNorm, decoder: Linear)
    /// Next sentence, or the class of a text; DistilBERT's pooler ends in ReLU, DeBERTa's in GELU, the others' in tanh.
    case sequence(pooler: Linear, activation: Activation, classifier: Linear)
    case tokens(classifier: Linear)
    /// Two scores a token: that an answer starts, and that it ends there.
    case span(classifier: Linear)
}

/// Intermediate results of the family, planned once for the largest pass.
private struct BertActivations: Sendable {
    /// `[T, D]`, `[T, 3 D]`, `[T, D]` and `[T, F]`.
    let hidden: Tensor
    let projections: Tensor
    let attended: Tensor
    let intermediate: Tensor
    /// `[T, E]`: the embeddings' features, where they are projected, or a head's that are.
    let embedded: Tensor
    /// `[S, D]` each.
    let first: Tensor
    let pooled: Tensor
    /// `[T, C]`, or `[S, C]` where the head answers for sequences.
    let logits: Tensor

    init(
        _ sizes: EncoderDescription, head: BertHead, limits: PassLimits, on backend: any Backend
    ) throws {
        let (tokens, sequences, width) = (limits.tokenCount, limits.logitRowCount, sizes.hiddenSize)
        let logitShape: Shape =
            switch head {
            case .hiddenStates: [1, 1]
            case .sequence: [sequences, sizes.outputSize]
            case .maskedLanguageModel, .tokens, .span: [tokens, sizes.outputSize]
            }
        var plan = WorkspacePlan()
        let hidden = plan.float32([tokens, width])
        let projections = plan.float32([tokens, 3 * width])
        let attended = plan.float32([tokens, width])
        let intermediate = plan.float32([tokens, sizes.intermediateSize])
        let embedded = sizes.embeddingSize.map { plan.float32([tokens, $0]) }
        let first = plan.float32([sequences, width])
        let pooled = plan.float32([sequences, width])
        let logits = plan.float32(logitShape)
        let workspace = try plan.allocate(on: backend)
        self.hidden = workspace[hidden]
        self.projections = workspace[projections]
        self.attended = workspace[attended]
        self.intermediate = workspace[intermediate]
        // Where no embedding is narrower, the attention's output has room for a head's.
        self.embedded = embedded.map { workspace[$0] } ?? workspace[attended]
        self.first = workspace[first]
        self.pooled = workspace[pooled]
        self.logits = workspace[logits]
    }
}
