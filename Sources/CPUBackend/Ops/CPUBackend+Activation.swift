internal import CPUKernels
public import TensorCore

extension CPUBackend {
    public func activate(_ x: Tensor, _ activation: Activation, into output: Tensor) throws {
        try Check.matrix("activate", "x", x, rows: x.rows, columns: x.columns)
        try Check.matrix("activate", "output", output, rows: x.rows, columns: x.columns)
        var arguments = cpuk_pointwise_args(
            rows: Int64(x.rows), columns: Int64(x.columns), x: x.floatRows, output: output.floatRows,
            activation: Optional(activation).kernelActivation, scale: 1)
        launch("\(activation)_f32", byteCount: 2 * x.byteCount, flopCount: 20 * x.shape.elementCount) {
            cpuk_activate(context, &arguments)
        }
    }

    public func multiply(_ x: Tensor, _ y: Tensor, into output: Tensor) throws {
        try Check.matrix("multiply", "x", x, rows: x.rows, columns: x.columns)
        try Check.matrix("multiply", "y", y, rows: x.rows, columns: x.columns)
        try Check.matrix("multiply", "output", output, rows: x.rows, columns: x.columns)
        var arguments = cpuk_multiply_args(
            rows: Int64(x.rows), columns: Int64(x.columns), x: x.floatRows, y: y.floatRows, output: output.floatRows)
        launch("multiply_f32", byteCount: 3 * x.byteCount, flopCount: x.shape.elementCount) {
            cpuk_multiply(context, &arguments)
        }
    }

    public func softCap(_ x: Tensor, cap: Float, into output: Tensor) throws {
        try Check.matrix("softCap", "x", x, rows: x.rows, columns: x.columns)
        try Check.matrix("softCap", "output", output, rows: x.rows, columns: x.columns)
        guard cap > 0 else { throw BackendError.invalidArgument(op: "softCap", reason: "cap \(cap) is not positive") }
        var arguments = cpuk_pointwise_args(
            rows: Int64(x.rows), columns: Int64(x.columns), x: x.floatRows, output: output.floatRows,
            activation: CPUK_IDENTITY, scale: cap)
        launch("soft_cap_f32", byteCount: 2 * x.byteCount, flopCount: 20 * x.shape.elementCount) {
            cpuk_soft_cap(context, &arguments)
        }
    }

    public func softmax(_ x: Tensor, scale: Float, into output: Tensor) throws {
        try Check.matrix("softmax", "x", x, rows: x.rows, columns: x.columns)
        try Check.matrix("softmax", "output", output, rows: x.rows, columns: x.columns)
        var arguments = cpuk_pointwise_args(
            rows: Int64(x.rows), columns: Int64(x.columns), x: x.floatRows, output: output.floatRows,
            activation: CPUK_IDENTITY, scale: scale)
        launch("softmax_f32", byteCount: 3 * x.byteCount, flopCount: 40 * x.shape.elementCount) {
            cpuk_softmax(context, &arguments)
        }
    }
}
