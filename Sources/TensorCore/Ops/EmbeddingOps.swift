/// Legend: `T` tokens, `V` rows of the table, `D` features.
public protocol EmbeddingOps: AnyObject, Sendable {
    /// `output[t, :] = scale · table[ids[t], :]`, or `+=` where `accumulate` is set.
    ///
    /// - Parameters:
    ///   - ids: `[T]` int32, each in `0..<V` (the caller has checked).
    ///   - table: `[V, D]` in any `WeightFormat`.
    ///   - output: `[T, D]` float32.
    func embed(_ ids: Tensor, _ table: any Weight, scale: Float, accumulate: Bool, into output: Tensor) throws

    /// `output[i, :] = x[rows[i], :]`: picks the rows whose logits are wanted. `x` `[R, C]` and `output` `[I, C]` float32,
    /// `rows` `[I]` int32.
    func gatherRows(_ x: Tensor, rows: Tensor, into output: Tensor) throws
}

extension EmbeddingOps {
    /// `embed` with a scale of 1.
    public func embed(_ ids: Tensor, _ table: any Weight, accumulate: Bool, into output: Tensor) throws {
        try embed(ids, table, scale: 1, accumulate: accumulate, into: output)
    }
}
