internal import TensorCore

/// Shape and type checks of one op, before anything is enqueued.
struct ShapeChecks {
    let op: String

    /// `[rows, columns]` in `dtype`; rows may be strided.
    func matrix(_ tensor: Tensor?, _ argument: String, rows: Int, columns: Int, dtype: DType = .float32) throws {
        guard let tensor else { return }
        try type(tensor, argument, dtype)
        guard tensor.rows == rows, tensor.columns == columns else {
            throw BackendError.shapeMismatch(
                op: op, argument: argument, expected: "[\(rows), \(columns)]", found: "\(tensor.shape)")
        }
        try stride(tensor, argument)
    }

    /// `count` packed elements of any shape.
    func vector(_ tensor: Tensor?, _ argument: String, count: Int, dtype: DType = .float32) throws {
        guard let tensor else { return }
        try type(tensor, argument, dtype)
        guard tensor.shape.elementCount == count else {
            throw BackendError.shapeMismatch(
                op: op, argument: argument, expected: "[\(count)]", found: "\(tensor.shape)")
        }
        guard tensor.isContiguous else {
            throw BackendError.invalidArgument(op: op, reason: "\(argument) must be contiguous")
        }
    }

    func type(_ tensor: Tensor, _ argument: String, _ dtype: DType) throws {
        guard tensor.dtype == dtype else {
            throw BackendError.invalidArgument(
                op: op, reason: "\(argument) is \(tensor.dtype), expected \(dtype)")
        }
    }

    /// A condition beyond shapes; `reason` completes the sentence.
    func require(_ condition: Bool, _ reason: @autoclosure () -> String) throws {
        if !condition { throw BackendError.invalidArgument(op: op, reason: reason()) }
    }

    /// Sizes travel to kernels as 32-bit numbers.
    private func stride(_ tensor: Tensor, _ argument: String) throws {
        guard tensor.rowStride <= Int(Int32.max), tensor.rows <= Int(Int32.max) else {
            throw BackendError.limitExceeded(
                op: op, limit: "\(argument)'s size", maximum: Int(Int32.max), found: max(tensor.rowStride, tensor.rows))
        }
    }
}
