internal import CPUKernels
public import TensorCore

extension CPUBackend {
    public func matmul(_ x: Tensor, _ weight: any Weight, into output: Tensor, epilogue: MatmulEpilogue) throws {
        let weight = Check.weight(weight)
        try MatmulArguments(x: x, weight: weight, output: output, epilogue: epilogue).validate()
        let checks = ArgumentChecks(op: "matmul")
        try checks.limit(x.rows, "T", maximum: limits?.tokenCount ?? 0)
        try checks.limit(weight.columns, "K", maximum: limits?.matmulInputCount ?? 0)
        if multiplyPanels(x, weight, into: output, epilogue: epilogue) { return }
        if isRowInvariant, x.rows > CPUBackend.invariantRowCount {
            return try matmulByFewRows(x, weight, into: output, epilogue: epilogue)
        }
        try checks.require(weight.hasRows, "weight \(weight.name) is packed for convolutions alone")
        weight.prepareProducts(context)
        var arguments = cpuk_matmul_args(
            x: x.floatRows, tokens: Int64(x.rows), weight: weight.kernelWeight, output: output.floatRows,
            bias: epilogue.bias?.floats, activation: epilogue.activation.kernelActivation, gated: epilogue.isGated,
            residual: epilogue.residual.floatRows)
        let kind = x.rows == 1 ? "matvec" : "matmul"
        launch(
            "\(kind)_\(weight.format)",
            byteCount: weight.rows * (weight.format.rowByteCount(columns: weight.columns) ?? 0) + x.byteCount
                + output.byteCount + (epilogue.residual?.byteCount ?? 0),
            flopCount: 2 * x.rows * weight.rows * weight.columns
        ) { cpuk_matmul(context, &arguments) }
    }
}
