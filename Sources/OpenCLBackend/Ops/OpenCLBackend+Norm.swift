public import TensorCore

extension ProgramDescriptor {
    fileprivate static let rmsNorm = ProgramDescriptor("rms_norm", sources: ["norm/rms_norm.cl"])
    fileprivate static let layerNorm = ProgramDescriptor("layer_norm", sources: ["norm/layer_norm.cl"])
}

extension KernelDescriptor {
    private static let rmsNormArguments: [ArgumentKind] = [
        .tensor, .optionalTensor, .optionalTensor, .tensor, .tensor,
        .uint32, .uint32, .uint32, .uint32, .uint32, .uint32, .uint32, .float,
    ]
    private static let layerNormArguments: [ArgumentKind] = [
        .tensor, .optionalTensor, .optionalTensor, .tensor, .optionalTensor, .tensor,
        .uint32, .uint32, .uint32, .uint32, .uint32, .uint32, .float,
    ]
    static let rmsNormRow = KernelDescriptor(.rmsNorm, "rms_norm_row_f32", rmsNormArguments, isChained: true)
    static let rmsNormGroup = KernelDescriptor(.rmsNorm, "rms_norm_group_f32", rmsNormArguments + [.local])
    static let layerNormRow = KernelDescriptor(.layerNorm, "layer_norm_row_f32", layerNormArguments, isChained: true)
    static let layerNormGroup = KernelDescriptor(.layerNorm, "layer_norm_group_f32", layerNormArguments + [.local])
}

extension OpenCLBackend {
    public func rmsNorm(
        _ x: Tensor, residual: Tensor?, sum: Tensor?, weight: Tensor, epsilon: Float, into output: Tensor
    ) throws {
        try NormArguments(x: x, residual: residual, sum: sum, weight: weight, epsilon: epsilon, output: output)
            .validate(op: "rmsNorm")
        try launchRMSNorm(
            x, residual: residual, sum: sum, weight: weight, groups: 1, epsilon: epsilon, into: output)
    }

    public func rmsNormHeads(_ x: Tensor, headSize: Int, weight: Tensor, epsilon: Float) throws {
        try NormArguments.validateHeads(x, headSize: headSize, weight: weight, epsilon: epsilon)
        try launchRMSNorm(
            x, residual: nil, sum: nil, weight: weight, groups: x.columns / headSize, epsilon: epsilon, into: x)
    }

    /// Rows of `groups` runs, each of which is normed separately.
    private func launchRMSNorm(
        _ x: Tensor, residual: Tensor?, sum: Tensor?, weight: Tensor, groups: Int, epsilon: Float, into output: Tensor
    ) throws {
        let runs = x.rows * groups
        if runs == 0 { return }
        let (rows, columns) = (UInt32(x.rows), UInt32(x.columns / groups))
        let cost = normCost(x, residual: residual, sum: sum, flopsPerElement: 4)
        if tuning.rowIsWorkItem {
            try launch(
                .rmsNormRow, rowItems(runs), x, residual, sum, weight, output, rows, UInt32(groups), columns,
                x.stride32, residual.stride32, sum.stride32, output.stride32, epsilon, cost: cost)
        } else {
            try launch(
                .rmsNormGroup, rowGroups(runs), x, residual, sum, weight, output, rows, UInt32(groups), columns,
                x.stride32, residual.stride32, sum.stride32, output.stride32, epsilon, rowScratch, cost: cost)
        }
    }

    public func layerNorm(
        _ x: Tensor, residual: Tensor?, sum: Tensor?, weight: Tensor, bias: Tensor?, epsilon: Float,
        into output: Tensor
    ) throws {
        try NormArguments(
            x: x, residual: residual, sum: sum, weight: weight, bias: bias, epsilon: epsilon, output: output
        ).validate(op: "layerNorm")
        let (rows, columns) = (UInt32(x.rows), UInt32(x.columns))
        let cost = normCost(x, residual: residual, sum: sum, flopsPerElement: 8)
        if tuning.rowIsWorkItem {
            try launch(
                .layerNormRow, rowItems(x.rows), x, residual, sum, weight, bias,
                output, rows, columns, x.stride32, residual.stride32, sum.stride32, output.stride32, epsilon, cost: cost
            )
        } else {
            try launch(
                .layerNormGroup, rowGroups(x.rows), x, residual, sum, weight, bias, output, rows, columns, x.stride32,
                residual.stride32, sum.stride32, output.stride32, epsilon, rowScratch, cost: cost)
        }
    }

    private func normCost(_ x: Tensor, residual: Tensor?, sum: Tensor?, flopsPerElement: Int) -> LaunchCost {
        let operands = 2 + (residual == nil ? 0 : 1) + (sum == nil ? 0 : 1)
        return LaunchCost(bytes: operands * x.byteCount, flops: flopsPerElement * x.shape.elementCount)
    }
}
