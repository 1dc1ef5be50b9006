import ModelIO
import TensorCore

extension BartModel {
    /// Loads the weights under the names of the hub's checkpoints.
    convenience init(configuration: BartConfiguration, weights: WeightLoader, target: LoadTarget) throws {
        let sizes = configuration.description
        let loader = try LayerLoader(weights: weights, target: target, adaptersOf: sizes.target)
        let words = try loader.sharedWords(sizes, sharesTarget: configuration.sharesEmbeddings)
        let bias = "final_logits_bias"
        self.init(
            configuration: configuration, backend: target.backend,
            encoder: try BartLoader(configuration, loader, "encoder", configuration.encoderIntermediateSize)
                .side(words: words.source, layerCount: sizes.encoderLayerCount, hasCross: false),
            decoder: try BartLoader(configuration, loader, "decoder", configuration.decoderIntermediateSize)
                .side(words: words.target, layerCount: sizes.decoderLayerCount, hasCross: true),
            head: Linear(
                [words.head],
                bias: weights.contains(bias)
                    ? try target.backend.makeTensor(
                        weights.floats(weights.tensor(bias, shape: [1, sizes.vocabularySize])),
                        [sizes.vocabularySize]) : nil),
            activations: try BartActivations(sizes, limits: target.limits, on: target.backend))
    }
}

/// Loads one side.
private struct BartLoader {
    let configuration: BartConfiguration
    let loader: LayerLoader
    let name: String
    let intermediateSize: Int

    init(_ configuration: BartConfiguration, _ loader: LayerLoader, _ name: String, _ intermediateSize: Int) {
        self.configuration = configuration
        self.loader = loader
        self.name = name
        self.intermediateSize = intermediateSize
    }

    private var width: Int { configuration.description.hiddenSize }

    func side(words: any Weight, layerCount: Int, hasCross: Bool) throws -> BartModel.Side {
        BartModel.Side(
            words: words, positions: try positions(),
            embeddingNorm: configuration.normalizesEmbeddings
                ? try loader.layerNorm("\(name).layernorm_embedding", count: width) : nil,
            layers: try (0..<layerCount).map { try layer("\(name).layers.\($0).", hasCross: hasCross) },
            finalNorm: configuration.normalizesFirst
                ? try loader.layerNorm("\(name).layer_norm", count: width) : nil)
    }

    private func positions() throws -> any Weight {
        let rows = configuration.positionRows
        let stored = "\(name).embed_positions.weight"
        let isStored =
            switch configuration.positionEmbedding {
            case .learned: true
            // Checkpoints may keep sinusoids too; what they keep is used, as transformers does.
            case .sinusoidal: loader.weights.contains(stored)
            case .sinusoidalBehindPadding: false
            }
        if isStored { return try loader.matrix(stored, rows: rows, columns: width) }
        let table = configuration.sinusoids()
        let memory = HostAllocation(byteCount: table.count * MemoryLayout<Float>.size)
        table.withUnsafeBytes { memory.pointer.copyMemory(from: $0) }
        return try loader.target.backend.prepare(
            WeightSource(
                name: "\(name).embed_positions", format: .float32, columns: width,
                parts: [WeightPart(rows: rows, bytes: memory.bytes)]))
    }

    private func layer(_ prefix: String, hasCross: Bool) throws -> BartModel.Layer {
        func linear(_ parts: [String], rows: Int, columns: Int) throws -> Linear {
            try loader.linear(parts.map { (prefix + $0, rows) }, columns: columns, hasBias: true)
        }
        func norm(_ name: String) throws -> LayerNorm { try loader.layerNorm(prefix + name, count: width) }
        let cross =
            hasCross
            ? BartModel.Cross(
                query: try linear(["encoder_attn.q_proj"], rows: width, columns: width),
                source: try linear(["encoder_attn.k_proj", "encoder_attn.v_proj"], rows: width, columns: width),
                output: try linear(["encoder_attn.out_proj"], rows: width, columns: width),
                norm: try norm("encoder_attn_layer_norm")) : nil
        return BartModel.Layer(
            projections: try linear(
                ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"], rows: width, columns: width),
            output: try linear(["self_attn.out_proj"], rows: width, columns: width),
            attentionNorm: try norm("self_attn_layer_norm"), cross: cross,
            up: try linear(["fc1"], rows: intermediateSize, columns: width),
            down: try linear(["fc2"], rows: width, columns: intermediateSize),
            outputNorm: try norm("final_layer_norm"))
    }
}
