import ModelIO
import TensorCore

extension GPTNeoXModel {
    /// Loads the weights under the names of the hub's checkpoints.
    convenience init(configuration: GPTNeoXConfiguration, weights: WeightLoader, target: LoadTarget) throws {
        let sizes = configuration.description
        let width = sizes.hiddenSize
        let loader = LayerLoader(weights: weights, target: target)
        let embedding = try loader.matrix("embed_in.weight", rows: sizes.vocabularySize, columns: width)
        func norm(_ name: String) throws -> LayerNorm { try loader.layerNorm(name, count: width) }
        func linear(_ name: String, rows: Int, columns: Int, hasBias: Bool = true) throws -> Linear {
            try loader.linear([(name, rows)], columns: columns, hasBias: hasBias)
        }
        let hasAttentionBias = configuration.hasAttentionBias
        let layers = try (0..<sizes.layerCount).map { index in
            let prefix = "layers.\(index)."
            let name = prefix + "attention.query_key_value"
            let projections =
                configuration.storesHeadsTogether
                ? try loader.linear(headwise: name, of: sizes, hasBias: hasAttentionBias)
                : try linear(name, rows: 3 * width, columns: width, hasBias: hasAttentionBias)
            return Layer(
                attentionNorm: try norm(prefix + "input_layernorm"), projections: projections,
                output: try linear(
                    prefix + "attention.dense", rows: width, columns: width, hasBias: hasAttentionBias),
                feedForwardNorm: try norm(prefix + "post_attention_layernorm"),
                up: try linear(prefix + "mlp.dense_h_to_4h", rows: sizes.intermediateSize, columns: width),
                down: try linear(prefix + "mlp.dense_4h_to_h", rows: width, columns: sizes.intermediateSize),
                attention: loader.attention(configuration.attention, after: projections))
        }
        try self.init(
            configuration: configuration, backend: target.backend, limits: target.limits, embedding: embedding,
            layers: layers, finalNorm: norm("final_layer_norm"),
            head: loader.head(
                isTied: configuration.tiesHead, embedding: embedding, "embed_out.weight", rows: sizes.vocabularySize,
                columns: width))
    }
}

extension LayerLoader {
    /// One matrix whose rows are query, key and value of the first head, then of the second, and so on, as the layer that
    /// computes all queries, then all keys, then all values.
    fileprivate func linear(headwise name: String, of sizes: DecoderDescription, hasBias: Bool) throws -> Linear {
        let (heads, size) = (sizes.headCount, sizes.headSize)
        let order = (0..<3).flatMap { part in
            (0..<heads).map { head in (head * 3 + part) * size..<(head * 3 + part + 1) * size }
        }
        let source = try weights.weight(
            name + ".weight", rows: 3 * heads * size, columns: sizes.hiddenSize, as: target.format)
        let weight = try prepare(source.reordered(order))
        guard hasBias else { return Linear([weight]) }
        let bias = try weights.vector(name + ".bias", count: 3 * heads * size)
        let values = order.flatMap { bias[$0] }
        return Linear([weight], bias: try target.backend.makeTensor(values, [values.count]))
    }
}
