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
    /// What adapters add, for rows that have one.
    var adapters: LinearAdapters?

    /// - Precondition: at least one weight.
    init(_ weights: [any Weight], bias: Tensor? = nil) {
        precondition(!weights.isEmpty, "a layer without weights")
        self.weights = weights
        self.bias = bias
    }

    /// The same with what the rows' adapters add before the activation.
    /// - Parameter indices: `[T, 1]` int32, the adapter of each row; `nil`: none has one.
    func callAsFunction(
        _ x: Tensor, adapters indices: Tensor?, on backend: any Backend, activation: Activation? = nil,
        residual: Tensor? = nil, into output: Tensor
    ) throws {
        guard let indices, let adapters else {
            return try self(x, on: backend, activation: activation, residual: residual, into: output)
        }
        precondition(activation == nil || residual == nil, "an adapted layer with an activation and a residual")
        if adapters.scales != nil, let residual, let scratch = adapters.scratch.product {
            // The product is scaled before the residual is added.
            let product = AdapterScratch.view(scratch, rows: output.rows, columns: output.columns)
            try self(x, adapters: indices, on: backend, into: product)
            return try adapters.scratch.add(product, to: residual, into: output, on: backend)
        }
        try self(x, on: backend, residual: residual, into: output)
        try adapters.rescale(output, indices: indices, on: backend)
        try adapters.add(x, indices: indices, on: backend, to: output)
        if let activation { try backend.activate(output, activation, into: output) }
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

    /// - Parameters:
    ///   - adapters: `[T, 1]` int32, the adapter of each row; `nil`: none has one.
    ///   - scratch: of `output`'s shape, for a projection that is split.
    func callAsFunction(
        _ x: Tensor, adapters indices: Tensor? = nil, on backend: any Backend, scratch: Tensor?, into output: Tensor
    ) throws {
        if let indices, let adapters = linear.adapters {
            // What adapters add comes before the activation, so gate and up are computed by themselves.
            let width = output.columns
            let both = AdapterScratch.view(adapters.scratch.gates, rows: x.rows, columns: 2 * width)
            try linear(x, adapters: indices, on: backend, into: both)
            let (gate, up) = (both.columns(0..<width), both.columns(width..<2 * width))
            try backend.activate(gate, activation, into: gate)
            return try backend.multiply(gate, up, into: output)
        }
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
