/// Choosing tokens on the device, so that a row of logits need not cross to the host.
public protocol SelectionOps: AnyObject, Sendable {
    /// `indices[r]` = the column of the largest element of row `r`, the lowest one on a tie. `x` `[R, C]` float32 (rows may
    /// be strided), `indices` `[R]` int32. NaNs lose against every number.
    func argmax(_ x: Tensor, into indices: Tensor) throws

    /// The `count` largest elements of each row, largest first, lower column first on a tie. `x` `[R, C]` float32, `values`
    /// `[R, count]` float32, `indices` `[R, count]` int32; `count` in `1...min(C,
    /// maxTopK)` (`BackendCapabilities`).
    func topK(_ x: Tensor, count: Int, values: Tensor, indices: Tensor) throws
}
