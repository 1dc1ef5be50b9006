/// The arguments of a matrix product.
package struct MatmulArguments {
    package let x: Tensor
    package let weight: any Weight
    package let output: Tensor
    package let epilogue: MatmulEpilogue

    package init(x: Tensor, weight: any Weight, output: Tensor, epilogue: MatmulEpilogue) {
        self.x = x
        self.weight = weight
        self.output = output
        self.epilogue = epilogue
    }

    package var tokens: Int { x.rows }
    /// Columns of the output.
    package var columns: Int { epilogue.isGated ? weight.rows / 2 : weight.rows }

    /// - Throws: `BackendError` for what does not fit together.
    package func validate() throws {
        let checks = ArgumentChecks(op: "matmul")
        try checks.require(
            weight.columns > 0 && weight.columns <= Int(Int32.max) && weight.rows <= Int(Int32.max),
            "weight \(weight.name) of [\(weight.rows), \(weight.columns)] has a size that kernels do not take")
        try checks.require(
            !epilogue.isGated || weight.rows % 2 == 0,
            "gated weight \(weight.name) has an odd number of rows, \(weight.rows)")
        try checks.matrix(x, "x", rows: x.rows, columns: weight.columns)
        try checks.matrix(output, "output", rows: tokens, columns: columns)
        try checks.vector(epilogue.bias, "bias", count: weight.rows)
        try checks.matrix(epilogue.residual, "residual", rows: tokens, columns: columns)
    }
}

/// The arguments of a norm over whole rows.
package struct NormArguments {
    package let x: Tensor
    package let residual: Tensor?
    package let sum: Tensor?
    package let weight: Tensor
    package let bias: Tensor?
    package let epsilon: Float
    package let output: Tensor

    package init(
        x: Tensor, residual: Tensor?, sum: Tensor?, weight: Tensor, bias: Tensor? = nil, epsilon: Float, output: Tensor
    ) {
        self.x = x
        self.residual = residual
        self.sum = sum
        self.weight = weight
        self.bias = bias
        self.epsilon = epsilon
        self.output = output
    }

    /// - Throws: `BackendError` for what does not fit together.
    package func validate(op: String) throws {
        let checks = ArgumentChecks(op: op)
        let (rows, columns) = (x.rows, x.columns)
        try checks.matrix(x, "x", rows: rows, columns: columns)
        try checks.matrix(residual, "residual", rows: rows, columns: columns)
        try checks.matrix(sum, "sum", rows: rows, columns: columns)
        try checks.matrix(output, "output", rows: rows, columns: columns)
        try checks.vector(weight, "weight", count: columns)
        try checks.vector(bias, "bias", count: columns)
        try checks.require(epsilon >= 0 && epsilon.isFinite, "an epsilon of \(epsilon)")
    }

    /// The arguments of `rmsNormHeads`.
    package static func validateHeads(_ x: Tensor, headSize: Int, weight: Tensor, epsilon: Float) throws {
        let checks = ArgumentChecks(op: "rmsNormHeads")
        try checks.matrix(x, "x", rows: x.rows, columns: x.columns)
        try checks.heads(x, "x", headSize: headSize)
        try checks.vector(weight, "weight", count: x.columns)
        try checks.require(epsilon >= 0 && epsilon.isFinite, "an epsilon of \(epsilon)")
    }
}

extension ArgumentChecks {
    /// An op on elements: every operand and the output as large as the first.
    package func elementwise(_ x: Tensor, _ y: Tensor? = nil, output: Tensor) throws {
        try matrix(x, "x", rows: x.rows, columns: x.columns)
        try matrix(y, "y", rows: x.rows, columns: x.columns)
        try matrix(output, "output", rows: x.rows, columns: x.columns)
    }

    /// A cap of scores must be a positive number.
    package func softCap(_ cap: Float) throws { try require(cap > 0 && cap.isFinite, "cap \(cap) is not positive") }

    package func rope(_ x: Tensor, headSize: Int, _ arguments: RopeArguments) throws {
        try matrix(x, "x", rows: x.rows, columns: x.columns)
        try heads(x, "x", headSize: headSize)
        try arguments.validate(self, tokens: x.rows, headSize: headSize)
    }

    package func embed(_ ids: Tensor, _ table: any Weight, scale: Float, output: Tensor) throws {
        let tokens = ids.shape.elementCount
        try vector(ids, "ids", count: tokens, dtype: .int32)
        try matrix(output, "output", rows: tokens, columns: table.columns)
        try require(scale.isFinite, "a scale of \(scale)")
    }

    package func gatherRows(_ x: Tensor, rows: Tensor, output: Tensor) throws {
        let count = rows.shape.elementCount
        try matrix(x, "x", rows: x.rows, columns: x.columns)
        try vector(rows, "rows", count: count, dtype: .int32)
        try matrix(output, "output", rows: count, columns: x.columns)
    }

    package func argmax(_ x: Tensor, indices: Tensor) throws {
        try matrix(x, "x", rows: x.rows, columns: x.columns)
        try vector(indices, "indices", count: x.rows, dtype: .int32)
        try require(x.columns > 0 || x.rows == 0, "rows without columns have no largest element")
    }

    package func topK(
        _ x: Tensor, count: Int, values: Tensor, indices: Tensor, _ capabilities: BackendCapabilities
    ) throws {
        try matrix(x, "x", rows: x.rows, columns: x.columns)
        try require(count > 0, "a count of \(count)")
        try limit(count, "count", maximum: capabilities.maxTopK)
        try require(count <= x.columns, "\(count) of \(x.columns) columns")
        try matrix(values, "values", rows: x.rows, columns: count)
        try matrix(indices, "indices", rows: x.rows, columns: count, dtype: .int32)
    }
}
