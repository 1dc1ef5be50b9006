/// Matrices of one shape, prepared for one backend, among which each row of a product picks its own by a number: those of a
/// mixture's experts.
public protocol IndexedWeights: AnyObject, Sendable {
    var name: String { get }
    var format: WeightFormat { get }
    /// `E`.
    var count: Int { get }
    /// `N`, the output channels of one matrix, and `K`, its input features.
    var rows: Int { get }
    var columns: Int { get }
}

/// Products in which each row has a matrix of its own, as in a mixture of experts of which each token takes a few (Shazeer et
/// al., 2017; Jiang et al., 2024). Which ones is known on the device only, so that the router's answer costs no read.
///
/// Legend: `T` tokens, `E` matrices, `J` matrices that a token takes, `K` input features, `N` output channels of a matrix.
public protocol ExpertOps: AnyObject, Sendable {
    /// Prepares `[N, K]` matrices, all of one shape, format and division into parts, for products of the given precision.
    /// Blocks.
    /// - Precondition: at least one matrix.
    func prepareIndexed(_ matrices: [WeightSource], precision: MatmulPrecision) throws -> any IndexedWeights

    /// `output[t * J + j, n] = Σ_k x[row, k] · weights[indices[t, j]][n, k]`, accumulated in FP32, then the activation and
    /// the gate as in `MatmulEpilogue`.
    ///
    /// - Parameters:
    ///   - x: `[T, K]` float32, every token's row for all its matrices, or `[T * J, K]`; rows may be strided.
    ///   - indices: `[T, J]` int32, packed, each in `0..<E`.
    ///   - isGated: the first half of a matrix's rows are gates, which must be a part of their own.
    ///   - output: `[T * J, N]` float32 (`[T * J, N / 2]` where gated); rows may be strided. Must not overlap `x`.
    /// - Throws: `BackendError.shapeMismatch`; `.limitExceeded` where `T` or `K` is over what was reserved.
    func matmulIndexed(
        _ x: Tensor, _ weights: any IndexedWeights, indices: Tensor, activation: Activation?, isGated: Bool,
        into output: Tensor) throws

    /// `output[t, :] = residual[t, :] + Σ_j weights[t, j] · x[t * J + j, :]`.
    ///
    /// - Parameters:
    ///   - x: `[T * J, C]` float32; rows may be strided.
    ///   - weights: `[T, J]` float32, packed.
    ///   - residual: `[T, C]` float32 or none; may be `output`.
    ///   - output: `[T, C]` float32; rows may be strided.
    func combineExperts(_ x: Tensor, weights: Tensor, residual: Tensor?, into output: Tensor) throws

    /// `output[t, :] += up[a] · (down[a] · x[t, :])` with `a = indices[t]`, accumulated in FP32: what low-rank adapters add.
    /// (Hu et al., 2022)
    ///
    /// - Parameters:
    ///   - x: `[T, K]` float32; rows may be strided.
    ///   - down, up: `[R, K]` and `[N, R]` of each adapter.
    ///   - parts: blocks on `up`'s diagonal, from its first row and column to its last. Outside them `up` is zero, and
    ///     need not be read.
    ///   - indices: `[T, 1]` int32, packed, each below the adapters' number.
    ///   - scratch: what backends may write that compute it product by product.
    ///   - output: `[T, N]` float32; rows may be strided. Must not overlap `x`.
    /// - Throws: as `matmulIndexed`.
    func addLowRank(
        _ x: Tensor, down: any IndexedWeights, up: any IndexedWeights, parts: [LowRankPart], indices: Tensor,
        scratch: LowRankScratch, to output: Tensor) throws
}

/// What low-rank adapters add to some rows of a layer that is made of several matrices, each with ranks of its own.
public struct LowRankPart: Sendable, Hashable {
    /// Rows of the layer.
    public let rows: Int
    public let rank: Int

    public init(rows: Int, rank: Int) {
        self.rows = rows
        self.rank = rank
    }
}

/// Room for the products of `addLowRank`.
public struct LowRankScratch: Sendable {
    /// `[T, R]` and `[T, N]` float32.
    public let low: Tensor
    public let delta: Tensor
    /// `[T, 1]` float32, all 1.
    public let ones: Tensor

    public init(low: Tensor, delta: Tensor, ones: Tensor) {
        self.low = low
        self.delta = delta
        self.ones = ones
    }
}

extension ExpertOps {
    /// `addLowRank` by two products and a sum.
    public func addLowRankByProducts(
        _ x: Tensor, down: any IndexedWeights, up: any IndexedWeights, indices: Tensor, scratch: LowRankScratch,
        to output: Tensor
    ) throws {
        try matmulIndexed(x, down, indices: indices, activation: nil, isGated: false, into: scratch.low)
        try matmulIndexed(scratch.low, up, indices: indices, activation: nil, isGated: false, into: scratch.delta)
        try combineExperts(scratch.delta, weights: scratch.ones, residual: output, into: output)
    }

    public func addLowRank(
        _ x: Tensor, down: any IndexedWeights, up: any IndexedWeights, parts: [LowRankPart], indices: Tensor,
        scratch: LowRankScratch, to output: Tensor
    ) throws {
        try addLowRankByProducts(x, down: down, up: up, indices: indices, scratch: scratch, to: output)
    }

    /// Prepares matrices for products with FP32 activations. Blocks.
    public func prepareIndexed(_ matrices: [WeightSource]) throws -> any IndexedWeights {
        try prepareIndexed(matrices, precision: .highest)
    }
}
