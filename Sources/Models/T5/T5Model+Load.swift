import ModelIO
import TensorCore

extension T5Model {
    /// Loads the weights under the names of the hub's checkpoints.
    convenience init(configuration: T5Configuration, weights: WeightLoader, target: LoadTarget) throws {
        let sizes = configuration.description
        let loader = T5Loader(
            configuration: configuration,
            loader: try LayerLoader(weights: weights, target: target, adaptersOf: sizes.target))
        let words = try loader.loader.sharedWords(sizes)
        try self.init(
            configuration: configuration, backend: target.backend, limits: target.limits,
            words: T5Model.Words(source: words.source, target: words.target),
            encoder: loader.encoder(), decoder: loader.decoder(), head: words.head)
    }
}

private struct T5Loader {
    let configuration: T5Configuration
    let loader: LayerLoader

    private var sizes: EncoderDecoderDescription { configuration.description }

    func encoder() throws -> T5Model.Encoder {
        let layers = try (0..<sizes.encoderLayerCount).map { index in
            let prefix = "encoder.block.\(index).layer."
            return T5Model.EncoderLayer(
                attention: try attention(prefix + "0.", "SelfAttention", ["q", "k", "v"]),
                feedForwardNorm: try norm(prefix + "1.layer_norm"), feedForward: try feedForward(prefix + "1."))
        }
        return T5Model.Encoder(
            bias: try bias("encoder", isBidirectional: true), layers: layers,
            finalNorm: try norm("encoder.final_layer_norm"))
    }

    func decoder() throws -> T5Model.Decoder {
        let layers = try (0..<sizes.decoderLayerCount).map { index in
            let prefix = "decoder.block.\(index).layer."
            return T5Model.DecoderLayer(
                attention: try attention(prefix + "0.", "SelfAttention", ["q", "k", "v"]),
                crossAttention: try attention(prefix + "1.", "EncDecAttention", ["q"]),
                sourceProjections: try projections(prefix + "1.EncDecAttention.", ["k", "v"]),
                feedForwardNorm: try norm(prefix + "2.layer_norm"), feedForward: try feedForward(prefix + "2."))
        }
        return T5Model.Decoder(
            bias: try bias("decoder", isBidirectional: false), layers: layers,
            finalNorm: try norm("decoder.final_layer_norm", scale: configuration.outputScale))
    }

    private func attention(_ prefix: String, _ name: String, _ parts: [String]) throws -> T5Model.Attention {
        T5Model.Attention(
            norm: try norm(prefix + "layer_norm"), projections: try projections("\(prefix)\(name).", parts),
            output: try loader.linear(
                [("\(prefix)\(name).o", sizes.hiddenSize)], columns: sizes.attentionSize, hasBias: false))
    }

    private func projections(_ prefix: String, _ parts: [String]) throws -> Linear {
        try loader.linear(
            parts.map { (prefix + $0, sizes.attentionSize) }, columns: sizes.hiddenSize, hasBias: false)
    }

    private func feedForward(_ prefix: String) throws -> T5Model.FeedForward {
        let name = prefix + "DenseReluDense."
        let inner = sizes.intermediateSize
        let down = try loader.linear([(name + "wo", sizes.hiddenSize)], columns: inner, hasBias: false)
        // GGUF files call the one matrix as they do the gate's other.
        let plain = loader.weights.contains(name + "wi_1.weight") ? "wi_1" : "wi"
        let names = configuration.isGated ? ["wi_0", "wi_1"] : [plain]
        let up = try loader.linear(names.map { (name + $0, inner) }, columns: sizes.hiddenSize, hasBias: false)
        return configuration.isGated
            ? .gated(GatedProjection(linear: up, activation: configuration.activation), down: down)
            : .plain(up: up, configuration.activation, down: down)
    }

    private func norm(_ name: String, scale: Float = 1) throws -> Tensor {
        let values = try loader.weights.vector(name + ".weight", count: sizes.hiddenSize).map { $0 * scale }
        return try loader.target.backend.makeTensor(values, [values.count])
    }

    /// What the first layer of a side learned, for all of its layers.
    private func bias(_ side: String, isBidirectional: Bool) throws -> RelativePositionBias {
        let name = "\(side).block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        let (count, heads) = (configuration.buckets.count, sizes.headCount)
        let weights = try loader.weights.floats(loader.weights.tensor(name, shape: [count, heads]))
        let table = configuration.buckets.table(weights, headCount: heads, isBidirectional: isBidirectional)
        return RelativePositionBias(
            table: try loader.target.backend.makeTensor(table, [heads, table.count / heads]))
    }
}
