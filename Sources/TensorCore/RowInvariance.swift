/// A backend that can give each row of an op the same bits whatever other rows it is computed with.
///
/// Kernels for many tokens add up in another order than kernels for one, so that the last bits of a token's result may
/// depend on the batch. A row-invariant backend takes one order for all, at the price of the faster kernels.
public protocol RowInvariantBackend: Backend {
    /// From now on: matrix products with weights prepared at `MatmulPrecision.highest`, and attention over the paged
    /// cache, do not depend on how the tokens are divided into passes and batches. Call it while nothing runs.
    func makeRowInvariant()
}
