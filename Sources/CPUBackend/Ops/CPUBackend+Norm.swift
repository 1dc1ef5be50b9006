internal import CPUKernels
public import TensorCore

extension CPUBackend {
    public func rmsNorm(
        _ x: Tensor, residual: Tensor?, sum: Tensor?, weight: Tensor, epsilon: Float, into output: Tensor
    ) throws {
        try norm(
            "rms_norm", x, residual: residual, sum: sum, weight: weight, bias: nil, epsilon: epsilon, isCentered: false,
            into: output)
    }

    public func layerNorm(
        _ x: Tensor, residual: Tensor?, sum: Tensor?, weight: Tensor, bias: Tensor?, epsilon: Float,
        into output: Tensor
    ) throws {
        try norm(
            "layer_norm", x, residual: residual, sum: sum, weight: weight, bias: bias, epsilon: epsilon,
            isCentered: true, into: output)
    }

    public func rmsNormHeads(_ x: Tensor, headSize: Int, weight: Tensor, epsilon: Float) throws {
        try NormArguments.validateHeads(x, headSize: headSize, weight: weight, epsilon: epsilon)
        var arguments = cpuk_norm_args(
            rows: Int64(x.rows), groups: Int64(x.columns / headSize), columns: Int64(headSize), x: x.floatRows,
            residual: cpuk_rows(), sum: cpuk_rows(), output: x.floatRows, weight: weight.floats, bias: nil,
            epsilon: epsilon, centered: false)
        launch(
            "rms_norm_heads_f32", byteCount: 2 * x.byteCount + weight.byteCount, flopCount: 5 * x.shape.elementCount
        ) { cpuk_norm(context, &arguments) }
    }

    private func norm(
        _ op: String, _ x: Tensor, residual: Tensor?, sum: Tensor?, weight: Tensor, bias: Tensor?, epsilon: Float,
        isCentered: Bool, into output: Tensor
    ) throws {
        try NormArguments(
            x: x, residual: residual, sum: sum, weight: weight, bias: bias, epsilon: epsilon, output: output
        ).validate(op: isCentered ? "layerNorm" : "rmsNorm")
        let (rows, columns) = (x.rows, x.columns)
        var arguments = cpuk_norm_args(
            rows: Int64(rows), groups: 1, columns: Int64(columns), x: x.floatRows, residual: residual.floatRows,
            sum: sum.floatRows, output: output.floatRows, weight: weight.floats, bias: bias?.floats, epsilon: epsilon,
            centered: isCentered)
        launch(
            "\(op)_f32",
            byteCount: x.byteCount * (2 + (residual == nil ? 0 : 1) + (sum == nil ? 0 : 1)) + weight.byteCount,
            flopCount: 5 * rows * columns
        ) { cpuk_norm(context, &arguments) }
    }
}
