/// Choosing tokens on the device, so that a row of logits need not cross to the host.
public protocol SelectionOps: AnyObject, Sendable {
    /// The largest `count` that `topK` takes.
    static var maxTopK: Int { get }

    /// `indices[r]` = the column of the largest element of row `r`, the lowest one on a tie. `x` `[R, C]` float32 (rows may
    /// be strided), `indices` `[R]` int32. NaNs lose against every number.
    func argmax(_ x: Tensor, into indices: Tensor) throws

    /// The `count` largest elements of each row, largest first, lower column first on a tie. `x` `[R, C]` float32, `values`
    /// `[R, count]` float32, `indices` `[R, count]` int32; `count <= min(C, maxTopK)`.
    func topK(_ x: Tensor, count: Int, values: Tensor, indices: Tensor) throws
}
