internal import CPUKernels
public import TensorCore

extension CPUBackend {
    public func argmax(_ x: Tensor, into indices: Tensor) throws {
        try ArgumentChecks(op: "argmax").argmax(x, indices: indices)
        launch("argmax_f32", byteCount: x.byteCount, flopCount: x.shape.elementCount) {
            cpuk_argmax(context, x.floatRows, Int64(x.rows), Int64(x.columns), indices.int32s)
        }
    }

    public func topK(_ x: Tensor, count: Int, values: Tensor, indices: Tensor) throws {
        try ArgumentChecks(op: "topK").topK(x, count: count, values: values, indices: indices, capabilities)
        launch("top_k_f32", byteCount: x.byteCount, flopCount: x.shape.elementCount) {
            cpuk_top_k(
                context, x.floatRows, Int64(x.rows), Int64(x.columns), Int64(count), values.floatRows,
                indices.int32s, Int64(indices.rowStride))
        }
    }
}
