public import TensorCore

/// An affine layer: `y = x · weightᵀ + bias`.
///
/// - `weight`: `[N, K]` in any format; `bias`: `[N]` float32 or none.
public struct Linear: Sendable {
    public let weight: any Weight
    public let bias: Tensor?

    public init(weight: any Weight, bias: Tensor? = nil) {
        self.weight = weight
        self.bias = bias
    }

    /// Writes `activation(x · weightᵀ + bias)` (gated where asked, see `MatmulEpilogue`), plus `residual`.
    public func callAsFunction(
        _ x: Tensor, on backend: any Backend, activation: Activation? = nil, isGated: Bool = false,
        residual: Tensor? = nil, into output: Tensor
    ) throws {
        try backend.matmul(
            x, weight, into: output,
            epilogue: MatmulEpilogue(bias: bias, activation: activation, isGated: isGated, residual: residual))
    }
}
