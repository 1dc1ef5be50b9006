import ModelIO
import TensorCore

extension GemmaModel {
    /// Loads the weights under the names of the hub's checkpoints.
    convenience init(configuration: GemmaConfiguration, weights: WeightLoader, target: LoadTarget) throws {
        let sizes = configuration.description
        let width = sizes.hiddenSize
        let queryWidth = sizes.headCount * sizes.headSize
        let keyWidth = sizes.keyValueHeadCount * sizes.headSize
        let loader = LayerLoader(weights: weights, target: target)
        let offset = configuration.normOffset
        func norm(_ name: String) throws -> Tensor {
            try loader.vector(name + ".weight", count: width, offset: offset)
        }
        func linear(_ parts: [(name: String, rows: Int)], columns: Int) throws -> Linear {
            try loader.linear(parts, columns: columns, hasBias: configuration.hasProjectionBias)
        }
        let embedding = try loader.matrix("embed_tokens.weight", rows: sizes.vocabularySize, columns: width)
        let layers = try (0..<sizes.layerCount).map { index in
            let prefix = "layers.\(index)."
            let attention = prefix + "self_attn."
            let feedForward = prefix + "mlp."
            let projections = try linear(
                [
                    (attention + "q_proj", queryWidth), (attention + "k_proj", keyWidth),
                    (attention + "v_proj", keyWidth),
                ], columns: width)
            return Layer(
                attentionNorm: try norm(prefix + "input_layernorm"), projections: projections,
                headNorms: configuration.hasHeadNorms
                    ? try loader.headNorms(attention, of: sizes, offset: offset) : nil,
                output: try linear([(attention + "o_proj", width)], columns: queryWidth),
                afterAttentionNorm: try norm(prefix + "post_attention_layernorm"),
                feedForwardNorm: try norm(prefix + "pre_feedforward_layernorm"),
                gateUp: GatedProjection(
                    linear: try loader.linear(
                        [
                            (feedForward + "gate_proj", sizes.intermediateSize),
                            (feedForward + "up_proj", sizes.intermediateSize),
                        ], columns: width, hasBias: false),
                    activation: configuration.activation),
                down: try loader.linear(
                    [(feedForward + "down_proj", width)], columns: sizes.intermediateSize, hasBias: false),
                afterFeedForwardNorm: try norm(prefix + "post_feedforward_layernorm"),
                attention: loader.attention(configuration.attention(layer: index), after: projections))
        }
        try self.init(
            configuration: configuration, backend: target.backend, limits: target.limits, embedding: embedding,
            layers: layers, finalNorm: norm("norm"),
            head: loader.head(
                isTied: configuration.tiesHead, embedding: embedding, rows: sizes.vocabularySize, columns: width))
    }
}
