/// What happens to each output of a matrix product before it is stored, in this order:
/// bias, activation, gate, residual.
public struct MatmulEpilogue: Sendable {
    /// `[N]` float32, added to every row.
    public var bias: Tensor?
    public var activation: Activation?
    /// The weight's first half of rows are gates and the second half values: with `P = N / 2`,
    /// `out[t, n] = activation(y[t, n]) * y[t, P + n]`, and the output is `[T, P]`.
    public var isGated: Bool
    /// `[T, columns of the output]` float32, added last. May be the output itself.
    public var residual: Tensor?

    public init(bias: Tensor? = nil, activation: Activation? = nil, isGated: Bool = false, residual: Tensor? = nil) {
        self.bias = bias
        self.activation = activation
        self.isGated = isGated
        self.residual = residual
    }

    public static var none: MatmulEpilogue { MatmulEpilogue() }
}

/// Legend: `T` tokens, `K` input features, `N` output channels.
public protocol MatmulOps: AnyObject, Sendable {
    /// `output[t, n] = epilogue(Σ_k x[t, k] · weight[n, k])`, accumulated in FP32.
    ///
    /// - Parameters:
    ///   - x: `[T, K]` float32; rows may be strided.
    ///   - weight: `[N, K]` in any `WeightFormat`.
    ///   - output: `[T, N]` float32 (`[T, N / 2]` where the epilogue is gated); rows may be strided. Must not overlap `x`.
    /// - Throws: `BackendError.shapeMismatch`; `.limitExceeded` where `T` or `K` is over what was reserved.
    func matmul(_ x: Tensor, _ weight: any Weight, into output: Tensor, epilogue: MatmulEpilogue) throws
}
