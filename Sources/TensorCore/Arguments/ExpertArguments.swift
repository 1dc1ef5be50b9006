/// The arguments of `matmulIndexed`.
package struct IndexedMatmulArguments {
    package let x: Tensor
    package let weights: any IndexedWeights
    package let indices: Tensor
    package let isGated: Bool
    package let output: Tensor

    package init(x: Tensor, weights: any IndexedWeights, indices: Tensor, isGated: Bool, output: Tensor) {
        self.x = x
        self.weights = weights
        self.indices = indices
        self.isGated = isGated
        self.output = output
    }

    /// Rows of the output.
    package var count: Int { indices.shape.elementCount }
    /// Columns of the output.
    package var columns: Int { isGated ? weights.rows / 2 : weights.rows }

    /// - Throws: `BackendError` for what does not fit together.
    package func validate() throws {
        let checks = ArgumentChecks(op: "matmulIndexed")
        try checks.require(
            indices.shape.rank == 2 && (x.rows == count || x.rows == indices.rows),
            "x of \(x.rows) rows for indices of shape \(indices.shape)")
        try checks.require(
            !isGated || weights.rows % 2 == 0, "gated weight \(weights.name) has an odd number of rows, \(weights.rows)"
        )
        try checks.matrix(x, "x", rows: x.rows, columns: weights.columns)
        try checks.vector(indices, "indices", count: count, dtype: .int32)
        try checks.matrix(output, "output", rows: count, columns: columns)
    }
}

extension ArgumentChecks {
    package func combineExperts(_ x: Tensor, weights: Tensor, residual: Tensor?, output: Tensor) throws {
        let count = weights.shape.elementCount
        try require(
            weights.shape.rank == 2 && weights.rows == output.rows,
            "weights of shape \(weights.shape) for \(output.rows) tokens")
        try vector(weights, "weights", count: count)
        try matrix(x, "x", rows: count, columns: output.columns)
        try matrix(residual, "residual", rows: output.rows, columns: output.columns)
        try matrix(output, "output", rows: output.rows, columns: output.columns)
    }
}
