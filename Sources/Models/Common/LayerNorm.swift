import TensorCore

/// The parameters of a layer norm, `[C]` float32 each.
struct LayerNorm: Sendable {
    let weight: Tensor
    let bias: Tensor

    func callAsFunction(_ x: Tensor, epsilon: Float, on backend: any Backend, into output: Tensor) throws {
        try backend.layerNorm(
            x, residual: nil, sum: nil, weight: weight, bias: bias, epsilon: epsilon, into: output)
    }
}

extension LayerLoader {
    /// `name.weight` and `name.bias`.
    func layerNorm(_ name: String, count: Int) throws -> LayerNorm {
        LayerNorm(
            weight: try vector(name + ".weight", count: count), bias: try vector(name + ".bias", count: count))
    }
}
