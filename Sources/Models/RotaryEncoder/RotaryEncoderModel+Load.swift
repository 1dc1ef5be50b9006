import ModelIO
import TensorCore

extension RotaryEncoderModel {
    /// Loads the weights under the first names that the checkpoint has.
    convenience init(_ architecture: RotaryEncoderArchitecture, weights: WeightLoader, target: LoadTarget) throws {
        let loader = RotaryEncoderLoader(architecture, LayerLoader(weights: weights, target: target))
        let words = try loader.words()
        try self.init(
            architecture, on: target.backend, limits: target.limits, embeddings: try loader.embeddings(words),
            layers: try architecture.layers.indices.map { try loader.layer($0) },
            finalNorm: try loader.names.finalNorm.map { try loader.norm($0) }, head: try loader.head(words: words))
    }
}

/// Finds the tensors of an architecture.
private struct RotaryEncoderLoader {
    let architecture: RotaryEncoderArchitecture
    let names: RotaryEncoderNames
    let loader: LayerLoader

    private var sizes: EncoderDescription { architecture.description }
    private var width: Int { sizes.hiddenSize }

    init(_ architecture: RotaryEncoderArchitecture, _ loader: LayerLoader) {
        self.architecture = architecture
        self.loader = loader
        let known = architecture.names.first { loader.weights.contains($0.embeddingNorm + ".weight") }
        names = known ?? architecture.names[0]
    }

    func words() throws -> any Weight {
        try loader.matrix(names.words + ".weight", rows: sizes.vocabularySize, columns: width)
    }

    func embeddings(_ words: any Weight) throws -> RotaryEncoderModel.Embeddings {
        let segments = try names.segments.flatMap { name in
            sizes.segmentCount > 0
                ? try loader.matrix(name + ".weight", rows: sizes.segmentCount, columns: width) : nil
        }
        return RotaryEncoderModel.Embeddings(words: words, segments: segments, norm: try norm(names.embeddingNorm))
    }

    func layer(_ index: Int) throws -> RotaryEncoderModel.Layer {
        let prefix = "\(names.layerPrefix)\(index)."
        func linear(_ parts: [String], rows: Int, columns: Int, hasBias: Bool) throws -> Linear {
            let each = parts.map { (prefix + $0, rows / parts.count) }
            return try loader.linear(each, columns: columns, hasBias: hasBias)
        }
        let readsStream = architecture.order == .normFirst && index == 0
        let gates = try linear(
            names.gates, rows: 2 * sizes.intermediateSize, columns: width, hasBias: architecture.hasFeedForwardBias)
        return RotaryEncoderModel.Layer(
            attention: architecture.layers[index],
            attentionNorm: readsStream ? nil : try norm(prefix + names.attentionNorm),
            projections: try linear(
                names.projections, rows: 3 * width, columns: width, hasBias: architecture.hasAttentionBias),
            output: try linear(
                [names.attentionOutput], rows: width, columns: width, hasBias: architecture.hasAttentionBias),
            feedForwardNorm: try norm(prefix + names.feedForwardNorm),
            gates: GatedProjection(linear: gates, activation: architecture.activation),
            down: try linear(
                [names.down], rows: width, columns: sizes.intermediateSize, hasBias: architecture.hasFeedForwardBias))
    }

    func norm(_ name: String) throws -> LayerNorm {
        guard !architecture.hasNormBias else { return try loader.layerNorm(name, count: width) }
        let zeros = [Float](repeating: 0, count: width)
        return LayerNorm(
            weight: try loader.vector(name + ".weight", count: width),
            bias: try loader.target.backend.makeTensor(zeros, [width]))
    }

    // MARK: Heads

    func head(words: any Weight) throws -> RotaryEncoderHead {
        // One family has a pooler in place of the layer that the other's heads begin with.
        let pooler = names.pooler
        func plain(_ name: String, rows: Int, hasBias: Bool = true) throws -> Linear {
            try loader.linear([(name, rows)], columns: width, hasBias: hasBias)
        }
        switch sizes.task {
        case .hiddenStates:
            let isThere = pooler.map { loader.weights.contains($0 + ".weight") } ?? false
            return .hiddenStates(pooler: isThere ? try pooler.map { try plain($0, rows: width) } : nil)
        case .maskedLanguageModel:
            return .tokens(try transform(), classifier: try decoder(words), isSpan: false)
        case .nextSentence, .sequenceClassification:
            return .sequence(
                pooler: try pooler.map { try plain($0, rows: width) }, pooler == nil ? try transform() : nil,
                classifier: try plain("classifier", rows: sizes.labels.count))
        case .tokenClassification:
            return .tokens(
                pooler == nil ? try transform() : nil, classifier: try plain("classifier", rows: sizes.labels.count),
                isSpan: false)
        case .questionAnswering:
            return .tokens(
                pooler == nil ? try transform() : nil, classifier: try plain(names.spans, rows: 2), isSpan: true)
        }
    }

    private func transform() throws -> RotaryEncoderHead.Transform? {
        guard let activation = architecture.headActivation else { return nil }
        return RotaryEncoderHead.Transform(
            dense: try loader.linear(
                [(names.headDense, width)], columns: width, hasBias: architecture.hasHeadBias),
            activation: activation, norm: try norm(names.headNorm))
    }

    /// A matrix of its own where the checkpoint has one, else the embedding.
    private func decoder(_ words: any Weight) throws -> Linear {
        let name = names.decoder + ".weight"
        let weight =
            loader.weights.contains(name)
            ? try loader.matrix(name, rows: sizes.vocabularySize, columns: width) : words
        guard architecture.hasDecoderBias else { return Linear([weight]) }
        let bias = names.decoderBiases.first { loader.weights.contains($0) } ?? names.decoderBiases[0]
        return Linear([weight], bias: try loader.vector(bias, count: sizes.vocabularySize))
    }
}
