import ModelIO
import TensorCore

extension LlamaModel {
    /// Loads the weights under the names of the hub's checkpoints.
    convenience init(configuration: LlamaConfiguration, weights: WeightLoader, target: LoadTarget) throws {
        let sizes = configuration.description
        let width = sizes.hiddenSize
        let queryWidth = sizes.headCount * sizes.headSize
        let keyWidth = sizes.keyValueHeadCount * sizes.headSize
        let loader = LayerLoader(weights: weights, target: target)
        let embedding = try loader.matrix("embed_tokens.weight", rows: sizes.vocabularySize, columns: width)
        let layers = try (0..<sizes.layerCount).map { index in
            let prefix = "layers.\(index)."
            let attention = prefix + "self_attn."
            let projections = try loader.linear(
                configuration.hasFusedProjections
                    ? [(attention + "qkv_proj", queryWidth + 2 * keyWidth)]
                    : [
                        (attention + "q_proj", queryWidth), (attention + "k_proj", keyWidth),
                        (attention + "v_proj", keyWidth),
                    ], columns: width, hasBias: configuration.hasProjectionBias)
            return Layer(
                attentionNorm: try loader.vector(prefix + "input_layernorm.weight", count: width),
                projections: projections,
                headNorms: configuration.hasHeadNorms
                    ? try loader.headNorms(attention, of: sizes) : nil,
                output: try loader.linear(
                    [(attention + "o_proj", width)], columns: queryWidth, hasBias: configuration.hasOutputBias),
                feedForwardNorm: try loader.vector(prefix + "post_attention_layernorm.weight", count: width),
                feedForward: configuration.hasExperts[index]
                    ? try loader.experts(configuration, layer: index)
                    : try loader.gatedFeedForward(configuration, layer: index),
                attention: loader.attention(configuration.attention(layer: index), after: projections))
        }
        try self.init(
            configuration: configuration, backend: target.backend, limits: target.limits, embedding: embedding,
            layers: layers, finalNorm: loader.vector("norm.weight", count: width),
            head: loader.head(
                isTied: configuration.tiesHead, embedding: embedding, rows: sizes.vocabularySize, columns: width))
    }
}

extension LayerLoader {
    fileprivate func gatedFeedForward(
        _ configuration: LlamaConfiguration, layer: Int
    ) throws -> LlamaModel.FeedForward {
        let (width, inner) = (configuration.description.hiddenSize, configuration.description.intermediateSize)
        let prefix = "layers.\(layer).mlp."
        return .gated(
            gateUp: GatedProjection(
                linear: try linear(
                    configuration.hasFusedProjections
                        ? [(prefix + "gate_up_proj", 2 * inner)]
                        : [(prefix + "gate_proj", inner), (prefix + "up_proj", inner)],
                    columns: width, hasBias: configuration.hasFeedForwardBias),
                activation: configuration.activation),
            down: try linear(
                [(prefix + "down_proj", width)], columns: inner, hasBias: configuration.hasFeedForwardBias))
    }

    fileprivate func experts(
        _ configuration: LlamaConfiguration, layer: Int
    ) throws -> LlamaModel.FeedForward {
        guard let settings = configuration.experts else { preconditionFailure("experts without settings") }
        let mixtral = "layers.\(layer).block_sparse_moe."
        let prefix = weights.contains(mixtral + "gate.weight") ? mixtral : "layers.\(layer).mlp."
        return .experts(
            try experts(
                prefix, of: configuration.description, settings, activation: configuration.activation))
    }
}
