/// The checks that arguments of ops are made of. Every backend makes the same ones, before anything is enqueued.
package struct ArgumentChecks {
    package let op: String

    package init(op: String) { self.op = op }

    /// `[rows, columns]` in `dtype`; rows may be strided.
    package func matrix(
        _ tensor: Tensor?, _ argument: String, rows: Int, columns: Int, dtype: DType = .float32
    ) throws {
        guard let tensor else { return }
        try type(tensor, argument, dtype)
        guard tensor.rows == rows, tensor.columns == columns else {
            throw BackendError.shapeMismatch(
                op: op, argument: argument, expected: "[\(rows), \(columns)]", found: "\(tensor.shape)")
        }
        try extent(max(tensor.rowStride, tensor.rows), "\(argument)'s size")
    }

    /// `count` packed elements of any shape.
    package func vector(_ tensor: Tensor?, _ argument: String, count: Int, dtype: DType = .float32) throws {
        guard let tensor else { return }
        try type(tensor, argument, dtype)
        guard tensor.shape.elementCount == count else {
            throw BackendError.shapeMismatch(
                op: op, argument: argument, expected: "[\(count)]", found: "\(tensor.shape)")
        }
        try require(tensor.isContiguous, "\(argument) must be contiguous")
    }

    package func type(_ tensor: Tensor, _ argument: String, _ dtype: DType) throws {
        try require(tensor.dtype == dtype, "\(argument) is \(tensor.dtype), expected \(dtype)")
    }

    /// Rows of whole heads.
    package func heads(_ tensor: Tensor, _ argument: String, headSize: Int) throws {
        guard headSize > 0, tensor.columns % headSize == 0 else {
            throw BackendError.shapeMismatch(
                op: op, argument: argument, expected: "[T, H * \(headSize)]", found: "\(tensor.shape)")
        }
    }

    /// A condition beyond shapes; `reason` completes the sentence.
    package func require(_ condition: Bool, _ reason: @autoclosure () -> String) throws {
        if !condition { throw BackendError.invalidArgument(op: op, reason: reason()) }
    }

    /// What was reserved, or what the backend can do at most.
    package func limit(_ found: Int, _ name: String, maximum: Int) throws {
        guard found <= maximum else {
            throw BackendError.limitExceeded(op: op, limit: name, maximum: maximum, found: found)
        }
    }

    /// Sizes travel to kernels as 32-bit numbers.
    private func extent(_ found: Int, _ name: String) throws { try limit(found, name, maximum: Int(Int32.max)) }
}
