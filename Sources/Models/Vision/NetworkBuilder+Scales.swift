import ModelIO
import TensorCore

extension NetworkBuilder {
    /// The end of a ConvNeXt's layer: in V2 a global response norm, and a linear layer whose outputs are multiplied by a
    /// scale of the layer where the checkpoint has one. (Woo et al., 2023)
    ///
    ///     h = gamma · (x · g / mean of g) + beta + x,  g the length of a channel over all pixels;  residual + scale · down(h)
    func convNeXtEnd(
        _ x: FeatureMap, _ down: String, norm: String?, scale: String, residual: FeatureMap
    ) throws -> FeatureMap {
        var offset: [Float]?
        if let norm {
            try scaleByResponse(x, norm)
            // beta, which the linear layer's bias takes along.
            offset = try factors(norm + ".bias", count: x.channels, isNeeded: true)
        }
        return try scaledLinear(
            x, down, outputs: residual.channels, scale: factors(scale, count: residual.channels), inputOffset: offset,
            hasBias: true, residual: residual)
    }

    /// The numbers of a tensor that some checkpoints store with extents of 1 around the others; `nil` where there are none,
    /// or the network is only listed.
    func factors(_ name: String, count: Int, isNeeded: Bool = false) throws -> [Float]? {
        guard let weights else { return nil }
        guard let tensor = weights.file.find(name) else {
            return isNeeded ? try weights.file.vector(name, count: count) : nil
        }
        guard tensor.shape.elementCount == count else {
            throw LoadError.shapeMismatch(name: tensor.name, expected: [count], found: tensor.shape.extents)
        }
        return try weights.file.floats(tensor)
    }

    /// A linear layer whose outputs are multiplied by `scale`, of inputs to which `inputOffset` is added first. Both go into
    /// its weight and bias. The weight may be stored as a convolution of 1 x 1 pixels.
    /// - Parameter hasBias: `nil`: as the checkpoint has one.
    func scaledLinear(
        _ x: FeatureMap, _ name: String, outputs: Int, scale: [Float]?, inputOffset: [Float]? = nil,
        hasBias: Bool? = nil, residual: FeatureMap? = nil
    ) throws -> FeatureMap {
        let isConvolution = extents(of: name + ".weight")?.count == 4
        guard let weights, scale != nil || inputOffset != nil || isConvolution else {
            return try linear(x, name, outputs: outputs, hasBias: hasBias, residual: residual)
        }
        // The layer below finds them by their name.
        let made = try weights.linear(name) {
            let shape = [outputs, x.channels] + (isConvolution ? [1, 1] : [])
            var values = try weights.file.floats(weights.file.tensor(name + ".weight", shape: shape))
            var bias = [Double](repeating: 0, count: outputs)
            if hasBias ?? contains(name + ".bias") {
                bias = try weights.file.vector(name + ".bias", count: outputs).map(Double.init)
            }
            for row in 0..<outputs {
                let columns = row * x.channels..<(row + 1) * x.channels
                if let inputOffset {
                    bias[row] += zip(values[columns], inputOffset).reduce(0) { $0 + Double($1.0) * Double($1.1) }
                }
                guard let scale else { continue }
                bias[row] *= Double(scale[row])
                for column in columns { values[column] *= scale[row] }
            }
            return Linear(
                [try weights.matrix(values, rows: outputs, columns: x.channels, name: name + ".weight")],
                bias: try weights.loader.target.backend.makeTensor(bias.map(Float.init), [outputs]))
        }
        return try linear(x, name, outputs: outputs, hasBias: made.bias != nil, residual: residual)
    }

    /// `x · (1 + weight · g / (mean of g + 1e-6))`, in place.
    private func scaleByResponse(_ x: FeatureMap, _ name: String) throws {
        let squares = try map(size: x.size, channels: x.channels)
        add("", "squares", [x], squares) { backend, memory in
            try backend.multiply(memory[x], memory[x], into: memory[squares])
        }
        let means = try adaptiveAveragePool(squares)
        let gains = try map(size: Extent2D(1), channels: x.channels)
        let weight = try weights.map { weights in
            try weights.tensor(name + ".weight") {
                let values = try factors(name + ".weight", count: x.channels, isNeeded: true) ?? []
                return try weights.loader.target.backend.makeTensor(values, [values.count])
            }
        }
        let pixels = x.size.pixelCount
        add(name, "response norm", [means], gains, parameters: 2 * x.channels, with: weight) {
            weight, backend, memory in
            try backend.responseGains(
                memory[means], pixelCount: pixels, weight: weight, epsilon: 1e-6, into: memory[gains])
        }
        scaleChannels(x, by: gains, name: name)
    }
}
