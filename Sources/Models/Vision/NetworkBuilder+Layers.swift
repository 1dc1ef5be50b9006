import ModelIO
import TensorCore

extension NetworkBuilder {
    func maxPool(
        _ x: FeatureMap, _ sliding: Sliding, roundsUp: Bool = false, into target: FeatureMap? = nil
    ) throws -> FeatureMap {
        let window = try window(sliding, over: x, name: "max pool", roundsUp: roundsUp)
        let output = try target ?? map(size: window.grid, channels: x.channels)
        add("", "max pool \(sliding.text)", [x], output, quantisable: [x, output]) { backend, memory in
            try backend.maxPool(memory[x], window: window, into: memory[output])
        }
        return output
    }

    func averagePool(
        _ x: FeatureMap, _ sliding: Sliding, roundsUp: Bool = false, countsPadding: Bool = true
    ) throws -> FeatureMap {
        let window = try window(sliding, over: x, name: "average pool", roundsUp: roundsUp)
        let output = try map(size: window.grid, channels: x.channels)
        add("", "average pool \(sliding.text)", [x], output) { backend, memory in
            try backend.averagePool(memory[x], window: window, countsPadding: countsPadding, into: memory[output])
        }
        return output
    }

    /// The means of even parts of the image; by default of all of it.
    func adaptiveAveragePool(_ x: FeatureMap, to grid: Extent2D = Extent2D(1)) throws -> FeatureMap {
        if x.size == grid, x.isContiguous { return x }
        let output = try map(size: grid, channels: x.channels)
        let count = imageCount
        add("", "average pool to \(grid)", [x], output) { backend, memory in
            try backend.adaptiveAveragePool(
                memory[x], imageCount: count, image: x.size, grid: grid, into: memory[output])
        }
        return output
    }

    /// Of each row, over its channels. (Ba, Kiros and Hinton, 2016)
    func layerNorm(_ x: FeatureMap, _ name: String, epsilon: Double) throws -> FeatureMap {
        let output = try map(size: x.size, channels: x.channels)
        let channels = x.channels
        let norm = try weights.map { weights in
            LayerNorm(
                weight: try weights.tensor(name + ".weight") {
                    try weights.loader.vector(name + ".weight", count: channels)
                },
                bias: try weights.tensor(name + ".bias") { try weights.loader.vector(name + ".bias", count: channels) })
        }
        add(
            name, "layer norm", [x], output, parameters: 2 * channels,
            with: norm
        ) { norm, backend, memory in
            try norm(memory[x], epsilon: Float(epsilon), on: backend, into: memory[output])
        }
        return output
    }

    /// A layer of all of a row's channels; of several parts those of the first part come first.
    ///
    /// - Parameters:
    ///   - flattening: the map that `x` was flattened from; its weights are stored for channels first.
    func linear(
        _ x: FeatureMap, _ parts: [(name: String, rows: Int)], hasBias: Bool? = nil, flattening: FeatureMap? = nil,
        activation: Activation? = nil, residual: FeatureMap? = nil, into target: FeatureMap? = nil
    ) throws -> FeatureMap {
        let outputs = parts.reduce(0) { $0 + $1.rows }
        let output = try target ?? map(size: x.size, channels: outputs)
        let name = parts[0].name
        let hasBias = hasBias ?? contains(name + ".bias")
        reserve(rows: x.rows, columns: x.channels, features: outputs)
        let layer = try weights.map { weights in
            try weights.linear(name) {
                if let flattening {
                    return try weights.flattened(name, rows: outputs, from: flattening, hasBias: hasBias)
                }
                return try weights.loader.linear(parts, columns: x.channels, hasBias: hasBias)
            }
        }
        // A layer of rows is a convolution of one pixel, which backends compute with weights packed for good.
        let window = ImageWindow(imageCount: x.rows, image: Extent2D(1), grid: Extent2D(1), kernel: Extent2D(1))
        if let layer, layer.weights.count == 1 { reserveScratch(layer.weights, window: window) }
        add(
            name, "linear", [x, residual], output, parameters: outputs * (x.channels + (hasBias ? 1 : 0)),
            multiplyAdds: outputs * x.channels * x.size.pixelCount,
            with: layer
        ) { layer, backend, memory in
            guard layer.weights.count == 1 else {
                return try layer(
                    memory[x], on: backend, activation: activation, residual: residual.map { memory[$0] },
                    into: memory[output])
            }
            try backend.convolve(
                memory[x], weights: layer.weights, window: window, scratch: memory.scratch,
                epilogue: ConvolutionEpilogue(
                    bias: layer.bias, activation: activation, residual: residual.map { memory[$0] }),
                into: memory[output])
        }
        return output
    }

    func linear(
        _ x: FeatureMap, _ name: String, outputs: Int, hasBias: Bool? = nil, flattening: FeatureMap? = nil,
        activation: Activation? = nil, residual: FeatureMap? = nil
    ) throws -> FeatureMap {
        try linear(
            x, [(name, outputs)], hasBias: hasBias, flattening: flattening, activation: activation, residual: residual)
    }

    /// What a model by the names of torchvision or timm ends with: a score for each label, or without labels the pooled
    /// features as they come.
    func head(_ pooled: FeatureMap, _ name: String, of description: VisionDescription) throws -> NetworkOutput {
        guard description.task == .classification else { return .vector("pooler_output", pooled) }
        return .vector("logits", try linear(pooled, name, outputs: description.labels.count))
    }
}

extension VisionWeights {
    /// A linear layer on a flattened map, its columns moved from channels first to channels last.
    fileprivate func flattened(_ name: String, rows: Int, from map: FeatureMap, hasBias: Bool) throws -> Linear {
        let (channels, pixels) = (map.channels, map.size.pixelCount)
        let columns = channels * pixels
        let weight = name + ".weight"
        let tensor = try file.tensor(weight, shape: [rows, columns])
        // The largest weight of its network: some rows at a time, so that it is never whole in memory as floats too.
        var parts: [WeightPart] = []
        let step = max(Self.flattenedElementCount / columns, 1)
        for first in stride(from: 0, to: rows, by: step) {
            let count = min(step, rows - first)
            let part = tensor.rows(first..<first + count)
            let values = try file.floats(part)
            part.bytes.discard()
            let memory = HostAllocation(byteCount: count * columns * MemoryLayout<Float>.size)
            let target = memory.pointer.bindMemory(to: Float.self)
            for row in 0..<count {
                let start = row * columns
                for c in 0..<channels {
                    for p in 0..<pixels { target[start + p * channels + c] = values[start + c * pixels + p] }
                }
            }
            let name = count == rows ? weight : "\(weight) (from row \(first) on)"
            parts += try source(memory, rows: count, columns: columns, name: name).parts
        }
        return Linear(
            [try matrix(WeightSource(name: weight, format: matrixFormat, columns: columns, parts: parts))],
            bias: hasBias ? try loader.vector(name + ".bias", count: rows) : nil)
    }

    private static let flattenedElementCount = 1 << 22
}
