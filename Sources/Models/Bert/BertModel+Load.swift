import ModelIO
import TensorCore

extension BertModel {
    /// Loads the weights under the names of the hub's checkpoints.
    convenience init(configuration: BertConfiguration, weights: WeightLoader, target: LoadTarget) throws {
        let sizes = configuration.description
        let names = configuration.names
        let width = sizes.hiddenSize
        let loader = LayerLoader(weights: weights, target: target)
        let embedded = sizes.embeddingSize ?? width
        func matrix(_ name: String, rows: Int) throws -> any Weight {
            try loader.matrix("embeddings.\(name)_embeddings.weight", rows: rows, columns: embedded)
        }
        let projections = ["encoder.embedding_hidden_mapping_in", "embeddings_project"]
        let projection = projections.first { weights.contains($0 + ".weight") }
        if embedded != width, projection == nil {
            throw LoadError.missingTensor(
                path: weights.checkpoint.path, name: projections[0] + ".weight",
                tried: projections.map { $0 + ".weight" })
        }
        let words = try matrix("word", rows: sizes.vocabularySize)
        let embeddings = Embeddings(
            words: words,
            positions: configuration.hasPositions ? try matrix("position", rows: sizes.positionCount) : nil,
            segments: sizes.segmentCount > 0 ? try matrix("token_type", rows: sizes.segmentCount) : nil,
            norm: try loader.postNorm("embeddings.LayerNorm", count: embedded),
            projection: try projection.map {
                try loader.linear([($0, width)], columns: embedded, hasBias: true)
            })
        let distances = try configuration.distances.map {
            try DistanceLoader($0, sizes, epsilon: configuration.layerNormEpsilon, loader)
        }
        var loaded: [String: Layer] = [:]
        let layers = try configuration.layerPrefixes.map { prefix in
            if let layer = loaded[prefix] { return layer }
            func linear(_ parts: [String], rows: Int, columns: Int) throws -> Linear {
                try loader.linear(parts.map { (prefix + $0, rows) }, columns: columns, hasBias: true)
            }
            let projections = try linear([names.query, names.key, names.value], rows: width, columns: width)
            let layer = Layer(
                projections: projections,
                distances: try distances?.weights(prefix + "attention.self.", projections: projections),
                output: try linear([names.attentionOutput], rows: width, columns: width),
                attentionNorm: try loader.postNorm(prefix + names.attentionNorm, count: width),
                up: try linear([names.up], rows: sizes.intermediateSize, columns: width),
                down: try linear([names.down], rows: width, columns: sizes.intermediateSize),
                outputNorm: try loader.postNorm(prefix + names.outputNorm, count: width))
            loaded[prefix] = layer
            return layer
        }
        let bias = try configuration.buckets.map { try loader.relativeBias("encoder", $0, sizes) }
        try self.init(
            configuration: configuration, backend: target.backend, limits: target.limits, embeddings: embeddings,
            layers: layers, bias: bias, head: BertHead(configuration, words: words, loader))
    }
}

extension BertHead {
    /// - Parameter words: the word embedding, which most masked language models decode with.
    fileprivate init(_ configuration: BertConfiguration, words: any Weight, _ loader: LayerLoader) throws {
        let sizes = configuration.description
        let width = sizes.hiddenSize
        func linear(_ name: String, rows: Int) throws -> Linear {
            try loader.linear([(name, rows)], columns: width, hasBias: true)
        }
        let pooler = sizes.architecture == "albert" ? "pooler" : "pooler.dense"
        switch sizes.task {
        case .hiddenStates:
            // Checkpoints made for embeddings often leave it out.
            let hasPooler = loader.weights.contains(pooler + ".weight")
            self = .hiddenStates(pooler: hasPooler ? try linear(pooler, rows: width) : nil)
        case .maskedLanguageModel:
            self = try BertHead.maskedLanguageModel(sizes, words: words, loader)
        case .nextSentence:
            self = .sequence(
                pooler: try linear(pooler, rows: width), activation: .tanh,
                classifier: try linear("cls.seq_relationship", rows: 2))
        case .sequenceClassification:
            // RoBERTa's head has a layer of its own in place of the pooler, DistilBERT's another.
            let isOwn = loader.weights.contains("classifier.dense.weight")
            let usual = sizes.architecture == "distilbert" ? "pre_classifier" : pooler
            self = .sequence(
                pooler: try linear(isOwn ? "classifier.dense" : usual, rows: width),
                activation: configuration.poolerActivation,
                classifier: try linear(isOwn ? "classifier.out_proj" : "classifier", rows: sizes.labels.count))
        case .tokenClassification:
            self = .tokens(classifier: try linear("classifier", rows: sizes.labels.count))
        case .questionAnswering:
            self = .span(classifier: try linear("qa_outputs", rows: 2))
        }
    }

    /// The parts of the head that puts tokens in masked places, by each family's names.
    private static func maskedLanguageModel(
        _ sizes: EncoderDescription, words: any Weight, _ loader: LayerLoader
    ) throws -> BertHead {
        let names: (transform: String, norm: String, decoder: String, bias: String) =
            switch sizes.architecture {
            case "distilbert": ("vocab_transform", "vocab_layer_norm", "vocab_projector", "vocab_projector.bias")
            case "deberta-v2" where !loader.weights.contains("cls.predictions.bias"):
                (
                    "lm_predictions.lm_head.dense", "lm_predictions.lm_head.LayerNorm",
                    "lm_predictions.lm_head.decoder", "lm_predictions.lm_head.bias"
                )
            case "bert", "deberta-v2":
                (
                    "cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm",
                    "cls.predictions.decoder", "cls.predictions.bias"
                )
            case "electra":
                (
                    "generator_predictions.dense", "generator_predictions.LayerNorm", "generator_lm_head",
                    "generator_lm_head.bias"
                )
            case "albert":
                ("predictions.dense", "predictions.LayerNorm", "predictions.decoder", "predictions.bias")
            default: ("lm_head.dense", "lm_head.layer_norm", "lm_head.decoder", "lm_head.bias")
            }
        let (width, embedded) = (sizes.hiddenSize, sizes.embeddingSize ?? sizes.hiddenSize)
        let decoder = names.decoder + ".weight"
        let weight =
            loader.weights.contains(decoder)
            ? try loader.matrix(decoder, rows: sizes.vocabularySize, columns: embedded) : words
        // Where a checkpoint has both, the decoder's own is added: the other one is only what it was tied to.
        let ofDecoder = names.decoder + ".bias"
        let bias = loader.weights.contains(ofDecoder) ? ofDecoder : names.bias
        return .maskedLanguageModel(
            transform: try loader.linear([(names.transform, embedded)], columns: width, hasBias: true),
            norm: try loader.postNorm(names.norm, count: embedded),
            decoder: Linear([weight], bias: try loader.vector(bias, count: sizes.vocabularySize)))
    }
}

extension LayerLoader {
    /// The bias by distance that all layers of a side share.
    fileprivate func relativeBias(
        _ side: String, _ buckets: RelativeBuckets, _ sizes: EncoderDescription
    ) throws -> RelativePositionBias {
        let (count, heads) = (buckets.count, sizes.headCount)
        let stored = try weights.floats(
            weights.tensor(side + ".relative_attention_bias.weight", shape: [count, heads]))
        let table = buckets.table(stored, headCount: heads, isBidirectional: true)
        return RelativePositionBias(table: try target.backend.makeTensor(table, [heads, table.count / heads]))
    }

    /// A layer norm as `layerNorm` loads it; old checkpoints call its parameters gamma and beta.
    fileprivate func postNorm(_ name: String, count: Int) throws -> LayerNorm {
        guard !weights.contains(name + ".weight"), weights.contains(name + ".gamma") else {
            return try layerNorm(name, count: count)
        }
        return LayerNorm(
            weight: try vector(name + ".gamma", count: count), bias: try vector(name + ".beta", count: count))
    }
}
