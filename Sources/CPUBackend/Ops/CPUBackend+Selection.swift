internal import CPUKernels
public import TensorCore

extension CPUBackend {
    public static var maxTopK: Int { CPUK_MAX_TOP_K }

    public func argmax(_ x: Tensor, into indices: Tensor) throws {
        try CPUBackend.checkColumns("argmax", x)
        try Check.vector("argmax", "indices", indices, count: x.rows, dtype: .int32)
        launch("argmax_f32", byteCount: x.byteCount, flopCount: x.shape.elementCount) {
            cpuk_argmax(context, x.floatRows, Int64(x.rows), Int64(x.columns), indices.int32s)
        }
    }

    public func topK(_ x: Tensor, count: Int, values: Tensor, indices: Tensor) throws {
        try CPUBackend.checkColumns("topK", x)
        guard (1...min(x.columns, CPUBackend.maxTopK)).contains(count) else {
            throw BackendError.invalidArgument(
                op: "topK", reason: "\(count) of \(x.columns) columns; take 1 to \(min(x.columns, CPUBackend.maxTopK))")
        }
        try Check.matrix("topK", "values", values, rows: x.rows, columns: count)
        try Check.matrix("topK", "indices", indices, rows: x.rows, columns: count, dtype: .int32)
        launch("top_k_f32", byteCount: x.byteCount, flopCount: x.shape.elementCount) {
            cpuk_top_k(
                context, x.floatRows, Int64(x.rows), Int64(x.columns), Int64(count), values.floatRows,
                indices.int32s, Int64(indices.rowStride))
        }
    }

    private static func checkColumns(_ op: String, _ x: Tensor) throws {
        try Check.dtype(op, "x", x, .float32)
        guard x.columns > 0, x.columns <= Int(Int32.max) else {
            throw BackendError.invalidArgument(op: op, reason: "rows of \(x.columns) columns")
        }
    }
}
