/// The same matrix of every expert of a mixture, prepared for one backend.
public protocol ExpertWeights: AnyObject, Sendable {
    var name: String { get }
    var format: WeightFormat { get }
    /// `E`.
    var expertCount: Int { get }
    /// `N`, the output channels of one expert, and `K`, its input features.
    var rows: Int { get }
    var columns: Int { get }
}

/// Feed-forward layers of which each token takes a few (Shazeer et al., 2017; Jiang et al., 2024). Which ones is known on
/// the device only, so that choosing them costs no read.
///
/// Legend: `T` tokens, `E` experts, `J` experts that a token takes, `K` input features, `N` output channels of an expert.
public protocol ExpertOps: AnyObject, Sendable {
    /// Prepares one `[N, K]` matrix an expert, all of one shape, format and division into parts, for products of the given
    /// precision. Blocks.
    /// - Precondition: at least one expert.
    func prepareExperts(_ experts: [WeightSource], precision: MatmulPrecision) throws -> any ExpertWeights

    /// `output[t * J + j, n] = Σ_k x[row, k] · weight[choices[t, j]][n, k]`, accumulated in FP32, then the activation and
    /// the gate as in `MatmulEpilogue`.
    ///
    /// - Parameters:
    ///   - x: `[T, K]` float32, every token's row for all its choices, or `[T * J, K]`; rows may be strided.
    ///   - choices: `[T, J]` int32, packed, each in `0..<E`.
    ///   - isGated: the first half of an expert's rows are gates, which must be a part of their own.
    ///   - output: `[T * J, N]` float32 (`[T * J, N / 2]` where gated); rows may be strided. Must not overlap `x`.
    /// - Throws: `BackendError.shapeMismatch`; `.limitExceeded` where `T` or `K` is over what was reserved.
    func matmulExperts(
        _ x: Tensor, _ experts: any ExpertWeights, choices: Tensor, activation: Activation?, isGated: Bool,
        into output: Tensor) throws

    /// `output[t, :] = residual[t, :] + Σ_j weights[t, j] · x[t * J + j, :]`.
    ///
    /// - Parameters:
    ///   - x: `[T * J, C]` float32; rows may be strided.
    ///   - weights: `[T, J]` float32, packed.
    ///   - residual: `[T, C]` float32 or none; may be `output`.
    ///   - output: `[T, C]` float32; rows may be strided.
    func combineExperts(_ x: Tensor, weights: Tensor, residual: Tensor?, into output: Tensor) throws
}

extension ExpertOps {
    /// Prepares experts for products with FP32 activations. Blocks.
    public func prepareExperts(_ experts: [WeightSource]) throws -> any ExpertWeights {
        try prepareExperts(experts, precision: .highest)
    }
}
