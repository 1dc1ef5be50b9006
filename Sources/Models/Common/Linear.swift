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

    /// Writes `activation(x · weightᵀ + bias)`, plus `residual`. Each weight writes its own columns of the output.
    func callAsFunction(
        _ x: Tensor, on backend: any Backend, activation: Activation? = nil, residual: Tensor? = nil,
        into output: Tensor
    ) throws {
        if weights.count == 1 {
            let epilogue = MatmulEpilogue(bias: bias, activation: activation, residual: residual)
            return try backend.matmul(x, weights[0], into: output, epilogue: epilogue)
        }
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

/// The gate and up projection of a gated feed-forward part: `y = activation(gate(x)) * up(x)`. (Shazeer, 2020)
struct GatedProjection: Sendable {
    /// Gate above up: one weight in most models, two where they are stored in different formats.
    let linear: Linear
    let activation: Activation

    /// Whether it needs room for both products.
    var isSplit: Bool { linear.weights.count > 1 }

    /// - Parameter scratch: of `output`'s shape, for a projection that is split.
    func callAsFunction(_ x: Tensor, on backend: any Backend, scratch: Tensor?, into output: Tensor) throws {
        guard isSplit else {
            let epilogue = MatmulEpilogue(bias: linear.bias, activation: activation, isGated: true)
            return try backend.matmul(x, linear.weights[0], into: output, epilogue: epilogue)
        }
        guard let scratch, linear.weights.count == 2 else {
            preconditionFailure("a gated projection of \(linear.weights.count) weights")
        }
        let width = output.columns
        let (gateBias, upBias) = (linear.bias?.rows(0..<width), linear.bias?.rows(width..<2 * width))
        try backend.matmul(
            x, linear.weights[0], into: scratch, epilogue: MatmulEpilogue(bias: gateBias, activation: activation))
        try backend.matmul(x, linear.weights[1], into: output, epilogue: MatmulEpilogue(bias: upBias))
        try backend.multiply(scratch, output, into: output)
    }
}
