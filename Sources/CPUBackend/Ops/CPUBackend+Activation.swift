internal import CPUKernels
public import TensorCore

extension CPUBackend {
    public func activate(_ x: Tensor, _ activation: Activation, into output: Tensor) throws {
        try ArgumentChecks(op: "activate").elementwise(x, output: output)
        var arguments = cpuk_pointwise_args(
            rows: Int64(x.rows), columns: Int64(x.columns), x: x.floatRows, output: output.floatRows,
            activation: Optional(activation).kernelActivation, scale: 1)
        launch("\(activation)_f32", byteCount: 2 * x.byteCount, flopCount: 20 * x.shape.elementCount) {
            cpuk_activate(context, &arguments)
        }
    }

    public func multiply(_ x: Tensor, _ y: Tensor, into output: Tensor) throws {
        try ArgumentChecks(op: "multiply").elementwise(x, y, output: output)
        var arguments = cpuk_multiply_args(
            rows: Int64(x.rows), columns: Int64(x.columns), x: x.floatRows, y: y.floatRows, output: output.floatRows)
        launch("multiply_f32", byteCount: 3 * x.byteCount, flopCount: x.shape.elementCount) {
            cpuk_multiply(context, &arguments)
        }
    }

    public func softCap(_ x: Tensor, cap: Float, into output: Tensor) throws {
        try ArgumentChecks(op: "softCap").elementwise(x, output: output)
        try ArgumentChecks(op: "softCap").softCap(cap)
        var arguments = cpuk_pointwise_args(
            rows: Int64(x.rows), columns: Int64(x.columns), x: x.floatRows, output: output.floatRows,
            activation: CPUK_IDENTITY, scale: cap)
        launch("soft_cap_f32", byteCount: 2 * x.byteCount, flopCount: 20 * x.shape.elementCount) {
            cpuk_soft_cap(context, &arguments)
        }
    }

    public func softmax(_ x: Tensor, scale: Float, into output: Tensor) throws {
        try ArgumentChecks(op: "softmax").elementwise(x, output: output)
        var arguments = cpuk_pointwise_args(
            rows: Int64(x.rows), columns: Int64(x.columns), x: x.floatRows, output: output.floatRows,
            activation: CPUK_IDENTITY, scale: scale)
        launch("softmax_f32", byteCount: 3 * x.byteCount, flopCount: 40 * x.shape.elementCount) {
            cpuk_softmax(context, &arguments)
        }
    }
}
