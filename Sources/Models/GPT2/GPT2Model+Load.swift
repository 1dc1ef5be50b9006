import ModelIO
import TensorCore

extension GPT2Model {
    /// Loads the weights under the names of the hub's checkpoints, whose Conv1D matrices are stored `[K, N]`, or of a
    /// GGUF file, whose are not.
    convenience init(configuration: GPT2Configuration, weights: WeightLoader, target: LoadTarget) throws {
        let sizes = configuration.description
        let width = sizes.hiddenSize
        let loader = LayerLoader(weights: weights, target: target)
        let embedding = try loader.matrix("wte.weight", rows: sizes.vocabularySize, columns: width)
        func norm(_ name: String) throws -> LayerNorm { try loader.layerNorm(name, count: width) }
        func linear(_ name: String, rows: Int, columns: Int) throws -> Linear {
            try loader.linear(
                [(name, rows)], columns: columns, hasBias: true,
                transposed: configuration.storesTransposed)
        }
        let layers = try (0..<sizes.layerCount).map { index in
            let prefix = "h.\(index)."
            let projections = try linear(prefix + "attn.c_attn", rows: 3 * width, columns: width)
            return Layer(
                attentionNorm: try norm(prefix + "ln_1"), projections: projections,
                output: try linear(prefix + "attn.c_proj", rows: width, columns: width),
                feedForwardNorm: try norm(prefix + "ln_2"),
                up: try linear(prefix + "mlp.c_fc", rows: sizes.intermediateSize, columns: width),
                down: try linear(prefix + "mlp.c_proj", rows: width, columns: sizes.intermediateSize),
                attention: loader.attention(configuration.attention(layer: index), after: projections))
        }
        try self.init(
            configuration: configuration, backend: target.backend, limits: target.limits, tokenEmbedding: embedding,
            positionEmbedding: loader.matrix("wpe.weight", rows: sizes.maxContextLength, columns: width),
            layers: layers, finalNorm: norm("ln_f"),
            head: loader.head(
                isTied: configuration.tiesHead, embedding: embedding, rows: sizes.vocabularySize, columns: width))
    }
}
