import TensorCore

/// An affine layer: `y = x · weightᵀ + bias`.
///
/// Legend: `N` output channels of all weights, `K` input features.
struct Linear: Sendable {
    /// `[Nᵢ, K]` each, below one another. One in most models; more where matrices that read the same input are stored in
    /// different formats, as GGUF files store query, key and value.
    let weights: [any Weight]
    /// `[N]` float32 or none.
    let bias: Tensor?

    /// - Precondition: at least one weight.
    init(_ weights: [any Weight], bias: Tensor? = nil) {
        precondition(!weights.isEmpty, "a layer without weights")
        self.weights = weights
        self.bias = bias
    }

    /// Writes `activation(x · weightᵀ + bias)` (gated where asked, see `MatmulEpilogue`), plus `residual`. Each weight
    /// writes its own columns of the output.
    /// - Precondition: a gated layer has one weight.
    func callAsFunction(
        _ x: Tensor, on backend: any Backend, activation: Activation? = nil, isGated: Bool = false,
        residual: Tensor? = nil, into output: Tensor
    ) throws {
        if weights.count == 1 {
            let epilogue = MatmulEpilogue(bias: bias, activation: activation, isGated: isGated, residual: residual)
            return try backend.matmul(x, weights[0], into: output, epilogue: epilogue)
        }
        precondition(!isGated, "gate and up projection in two weights")
        var end = 0
        for weight in weights {
            let columns = end..<end + weight.rows
            try backend.matmul(
                x, weight, into: output.columns(columns),
                epilogue: MatmulEpilogue(
                    bias: bias?.rows(columns), activation: activation, residual: residual?.columns(columns)))
            end = columns.upperBound
        }
    }
}
