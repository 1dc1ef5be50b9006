import ModelIO
import TensorCore

extension LlamaModel {
    /// Loads the weights under the names of the hub's checkpoints.
    convenience init(configuration: LlamaConfiguration, weights: WeightLoader, target: LoadTarget) throws {
        let sizes = configuration.description
        let width = sizes.hiddenSize
        let queryWidth = sizes.headCount * sizes.headSize
        let keyWidth = sizes.keyValueHeadCount * sizes.headSize
        let loader = DecoderLoader(weights: weights, target: target)
        let embedding = try loader.matrix("embed_tokens.weight", rows: sizes.vocabularySize, columns: width)
        let layers = try (0..<sizes.layerCount).map { index in
            let prefix = "layers.\(index)."
            let attention = prefix + "self_attn."
            let feedForward = prefix + "mlp."
            return Layer(
                attentionNorm: try loader.vector(prefix + "input_layernorm.weight", count: width),
                projections: try loader.linear(
                    [
                        (attention + "q_proj", queryWidth), (attention + "k_proj", keyWidth),
                        (attention + "v_proj", keyWidth),
                    ], columns: width, hasBias: configuration.hasProjectionBias),
                output: try loader.linear(
                    [(attention + "o_proj", width)], columns: queryWidth, hasBias: configuration.hasOutputBias),
                feedForwardNorm: try loader.vector(prefix + "post_attention_layernorm.weight", count: width),
                gateUp: try loader.linear(
                    [
                        (feedForward + "gate_proj", sizes.intermediateSize),
                        (feedForward + "up_proj", sizes.intermediateSize),
                    ], columns: width, hasBias: configuration.hasFeedForwardBias, isGated: true),
                down: try loader.linear(
                    [(feedForward + "down_proj", width)], columns: sizes.intermediateSize,
                    hasBias: configuration.hasFeedForwardBias),
                attention: configuration.attention(layer: index))
        }
        try self.init(
            configuration: configuration, backend: target.backend, limits: target.limits, embedding: embedding,
            layers: layers, finalNorm: loader.vector("norm.weight", count: width),
            head: loader.head(
                isTied: configuration.tiesHead, embedding: embedding, rows: sizes.vocabularySize, columns: width))
    }
}
