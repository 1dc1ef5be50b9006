import ModelIO
import TensorCore

extension NetworkBuilder {
    /// Each channel of an image times a number of its own, in place.
    /// - Parameter scales: a row an image.
    func scaleChannels(_ x: FeatureMap, by scales: FeatureMap, name: String) {
        precondition(scales.channels == x.channels && scales.size == Extent2D(1), "scales of other channels")
        add(name, "scale of channels", [x, scales], x) { backend, memory in
            try backend.scaleChannels(memory[x], by: memory[scales], into: memory[x])
        }
    }

    /// `activation(x + y)`.
    func sum(_ x: FeatureMap, _ y: FeatureMap, activation: Activation) throws -> FeatureMap {
        let output = try map(size: x.size, channels: x.channels)
        let rows = x.rows
        let ones = try weights.map { weights in
            try weights.tensor("ones of \(rows) rows") {
                try weights.loader.target.backend.makeTensor([Float](repeating: 1, count: rows), [rows, 1])
            }
        }
        add("", "sum", [x, y], output, with: ones) { ones, backend, memory in
            try backend.combineExperts(memory[x], weights: ones, residual: memory[y], into: memory[output])
            try backend.activate(memory[output], activation, into: memory[output])
        }
        return output
    }

    /// The image in another size.
    func resize(_ x: FeatureMap, to grid: Extent2D, _ interpolation: ImageInterpolation) throws -> FeatureMap {
        let output = try map(size: grid, channels: x.channels)
        let count = imageCount
        add("", "\(interpolation) resize to \(grid)", [x], output) { backend, memory in
            try backend.resize(
                memory[x], imageCount: count, image: x.size, grid: grid, interpolation: interpolation,
                into: memory[output])
        }
        return output
    }

    /// Channels become pixels, `factor` in each direction.
    func pixelShuffle(_ x: FeatureMap, factor: Int) throws -> FeatureMap {
        precondition(factor > 0 && x.channels % (factor * factor) == 0, "\(x.channels) channels by \(factor)")
        let output = try map(
            size: Extent2D(height: x.size.height * factor, width: x.size.width * factor),
            channels: x.channels / (factor * factor))
        let count = imageCount
        add("", "pixel shuffle by \(factor)", [x], output) { backend, memory in
            try backend.pixelShuffle(
                memory[x], imageCount: count, image: x.size, factor: factor, into: memory[output])
        }
        return output
    }

    /// Squeeze and excitation: each channel times a gate that is computed from the means of all channels. In place.
    /// (Hu, Shen and Sun, 2018)
    ///
    ///     x = x · gate(expand(act(reduce(means(x)))))
    func squeezeAndExcite(
        _ x: FeatureMap, reduce: String, expand: String, activation: Activation, gate: Activation
    ) throws {
        let means = try adaptiveAveragePool(x)
        let reduced = try convolution(means, reduce, Sliding(1), activation: activation)
        let gates = try convolution(reduced, expand, outputs: x.channels, Sliding(1), activation: gate)
        scaleChannels(x, by: gates, name: expand)
    }
}
