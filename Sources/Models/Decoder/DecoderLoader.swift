import ModelIO
import TensorCore

/// Puts a decoder's tensors on its backend, under the names of its architecture.
struct DecoderLoader {
    let architecture: DecoderArchitecture
    let loader: LayerLoader

    private var sizes: DecoderDescription { architecture.sizes }
    private var names: DecoderTensorNames { architecture.names }
    private var width: Int { sizes.hiddenSize }
    private var queryWidth: Int { sizes.headCount * sizes.headSize }
    private var keyWidth: Int { sizes.keyValueHeadCount * sizes.headSize }

    func load() throws -> TransformerDecoder {
        let embedding = try loader.matrix(names.embedding + ".weight", rows: sizes.vocabularySize, columns: width)
        let layers = try architecture.layers.enumerated().map { try layer($0.offset, $0.element) }
        return try TransformerDecoder(
            architecture,
            ends: TransformerDecoder.Ends(
                embedding: embedding, positions: try positions(),
                // Whatever scales the norm's output scales the logits.
                finalNorm: try norm(names.finalNorm, epsilon: streamEpsilon, scale: architecture.logitScale),
                head: try head(embedding)),
            layers: layers, limits: loader.target.limits, on: loader.target.backend)
    }

    // MARK: Outside of layers

    private func positions() throws -> (any Weight)? {
        guard let offset = architecture.positionOffset else { return nil }
        return try loader.matrix(
            names.positions + ".weight", rows: sizes.maxContextLength, columns: width, behind: offset)
    }

    private func head(_ embedding: any Weight) throws -> Linear {
        // Embedders and classifiers come without a head; `requireHead` tells who wants to generate with one.
        let isMissing = !architecture.mustHaveHead && !loader.weights.contains(names.head + ".weight")
        let weight = try loader.head(
            isTied: architecture.tiesHead || isMissing, embedding: embedding, names.head + ".weight",
            rows: sizes.vocabularySize,
            columns: width)
        let bias = names.head + ".bias"
        // A head that is the embedding's matrix has a bias only where the file holds one.
        guard architecture.hasHeadBias, !(architecture.tiesHead || isMissing) || loader.weights.contains(bias) else {
            return Linear([weight])
        }
        return Linear([weight], bias: try loader.vector(bias, count: sizes.vocabularySize))
    }

    // MARK: Layers

    private func layer(_ index: Int, _ layer: DecoderArchitecture.Layer) throws -> DecoderLayer {
        let prefix = "\(names.layerPrefix)\(index)."
        func before(_ name: String?) throws -> Norm? {
            try name.map { try norm(prefix + $0, epsilon: streamEpsilon) }
        }
        func behind(_ name: String?) throws -> Norm? {
            try name.map { try norm(prefix + $0, epsilon: architecture.normEpsilon) }
        }
        let projections = try projections(prefix)
        return DecoderLayer(
            attentionNorm: try before(names.attentionNorm), projections: projections, headNorms: try headNorms(prefix),
            output: try linear(
                [(prefix + names.attentionOutput, width)], columns: queryWidth, hasBias: architecture.hasOutputBias),
            afterAttentionNorm: try behind(names.afterAttentionNorm),
            feedForwardNorm: try before(names.feedForwardNorm),
            feedForward: layer.hasExperts ? try experts(prefix) : try feedForward(prefix),
            afterFeedForwardNorm: try behind(names.afterFeedForwardNorm),
            attention: loader.attention(layer.attention, after: projections), rope: layer.rope)
    }

    private func linear(_ parts: [(name: String, rows: Int)], columns: Int, hasBias: Bool) throws -> Linear {
        try loader.linear(parts, columns: columns, hasBias: hasBias, transposed: architecture.storesTransposed)
    }

    private func projections(_ prefix: String) throws -> Linear {
        let hasBias = architecture.hasProjectionBias
        switch names.projections {
        case .separate(let query, let key, let value):
            let fused = prefix + "self_attn.qkv_proj"
            // Some GGUF files have the three in one.
            if !loader.weights.contains("\(prefix)\(query).weight"), loader.weights.contains(fused + ".weight") {
                return try linear([(fused, queryWidth + 2 * keyWidth)], columns: width, hasBias: hasBias)
            }
            return try linear(
                [(prefix + query, queryWidth), (prefix + key, keyWidth), (prefix + value, keyWidth)], columns: width,
                hasBias: hasBias)
        case .fused(let name):
            return try linear([(prefix + name, queryWidth + 2 * keyWidth)], columns: width, hasBias: hasBias)
        case .fusedByKeyHead(let name):
            return try loader.linear(byKeyHead: prefix + name, of: sizes, hasBias: hasBias)
        }
    }

    private func feedForward(_ prefix: String) throws -> DecoderFeedForward {
        let (inner, hasBias) = (sizes.intermediateSize, architecture.hasFeedForwardBias)
        func down(_ name: String) throws -> Linear {
            try linear([(prefix + name, width)], columns: inner, hasBias: hasBias)
        }
        func gated(_ parts: [(name: String, rows: Int)], _ downName: String) throws -> DecoderFeedForward {
            .gated(
                gateUp: GatedProjection(
                    linear: try linear(parts, columns: width, hasBias: hasBias), activation: architecture.activation),
                down: try down(downName))
        }
        switch names.feedForward {
        case .gated(let gate, let up, let downName):
            return try gated([(prefix + gate, inner), (prefix + up, inner)], downName)
        case .fusedGate(let gateUp, let downName): return try gated([(prefix + gateUp, 2 * inner)], downName)
        case .plain(let up, let downName):
            return .plain(
                up: try linear([(prefix + up, inner)], columns: width, hasBias: hasBias), architecture.activation,
                down: try down(downName))
        }
    }

    private func experts(_ prefix: String) throws -> DecoderFeedForward {
        guard let settings = architecture.experts else { preconditionFailure("experts without settings") }
        let experts = ExpertLoader(
            loader, settings, activation: architecture.activation, width: width, layerPrefix: prefix,
            names: names.expertPrefixes)
        return .experts(try experts.load())
    }

    // MARK: Norms

    /// Of norms that read the residual stream, which is kept divided by `residualScale`.
    private var streamEpsilon: Float {
        architecture.normEpsilon / (architecture.residualScale * architecture.residualScale)
    }

    /// - Parameter scale: of what the norm puts out.
    private func norm(_ name: String, count: Int? = nil, epsilon: Float, scale: Float = 1) throws -> Norm {
        let count = count ?? width
        func vector(_ name: String, offset: Float = 0) throws -> Tensor {
            try loader.vector(name, count: count, offset: offset, scale: scale)
        }
        switch architecture.norm {
        case .rms(let offset):
            return .rms(weight: try vector(name + ".weight", offset: offset), epsilon: epsilon)
        case .layer(let hasBias):
            return .layer(
                weight: try vector(name + ".weight"), bias: hasBias ? try vector(name + ".bias") : nil,
                epsilon: epsilon)
        }
    }

    private func headNorms(_ prefix: String) throws -> HeadNorms? {
        guard let kind = architecture.headNorm else { return nil }
        let (query, key) = (prefix + names.queryNorm, prefix + names.keyNorm)
        let epsilon = architecture.normEpsilon
        switch kind {
        case .eachHead:
            var offset: Float = 0
            if case .rms(let own) = architecture.norm { offset = own }
            func repeated(_ name: String, _ headCount: Int) throws -> [Float] {
                let weights = try loader.weights.vector(name + ".weight", count: sizes.headSize).map { $0 + offset }
                return (0..<headCount).flatMap { _ in weights }
            }
            let values = try repeated(query, sizes.headCount) + repeated(key, sizes.keyValueHeadCount)
            return .eachHead(
                weights: try loader.target.backend.makeTensor(values, [values.count]), headSize: sizes.headSize,
                epsilon: epsilon)
        case .eachHeadByLayerNorm:
            let heads = try headWeights(query, sizes.headCount) + headWeights(key, sizes.keyValueHeadCount)
            return .columns(heads.map { (.layer(weight: $0, bias: nil, epsilon: epsilon), sizes.headSize) })
        case .allHeads:
            return .columns([
                (try norm(query, count: queryWidth, epsilon: epsilon), queryWidth),
                (try norm(key, count: keyWidth, epsilon: epsilon), keyWidth),
            ])
        }
    }

    /// The weights of each head: rows of one tensor, or a tensor for each.
    private func headWeights(_ name: String, _ headCount: Int) throws -> [Tensor] {
        let size = sizes.headSize
        if loader.weights.contains(name + ".weight") {
            let all = try loader.weights.floats(loader.weights.tensor(name + ".weight", shape: [headCount, size]))
            return try (0..<headCount).map {
                try loader.target.backend.makeTensor(Array(all[$0 * size..<($0 + 1) * size]), [size])
            }
        }
        return try (0..<headCount).map { try loader.vector("\(name).norms.\($0).weight", count: size) }
    }
}

extension LayerLoader {
    /// One matrix whose rows are, for each key head, the queries that read it, the key and the value, as the layer that
    /// computes all queries, then all keys, then all values.
    fileprivate func linear(byKeyHead name: String, of sizes: DecoderDescription, hasBias: Bool) throws -> Linear {
        let (groups, size) = (sizes.keyValueHeadCount, sizes.headSize)
        let queries = sizes.headCount / groups
        func rows(_ group: Int, _ heads: Range<Int>) -> Range<Int> {
            let first = group * (queries + 2)
            return (first + heads.lowerBound) * size..<(first + heads.upperBound) * size
        }
        let parts = [0..<queries, queries..<queries + 1, queries + 1..<queries + 2]
        let order = parts.flatMap { part in (0..<groups).map { rows($0, part) } }
        let count = groups * (queries + 2) * size
        let source = try weights.weight(
            name + ".weight", rows: count, columns: sizes.hiddenSize, as: target.format)
        let weight = try prepare(groups == 1 ? source : source.reordered(order))
        guard hasBias else { return Linear([weight]) }
        let bias = try weights.vector(name + ".bias", count: count)
        let values = order.flatMap { bias[$0] }
        return Linear([weight], bias: try target.backend.makeTensor(values, [values.count]))
    }
}
