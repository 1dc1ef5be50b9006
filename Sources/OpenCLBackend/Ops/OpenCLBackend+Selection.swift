public import TensorCore

extension ProgramDescriptor {
    fileprivate static let argmax = ProgramDescriptor("argmax", sources: ["selection/argmax.cl"])
    fileprivate static let topK = ProgramDescriptor(
        "top_k", sources: ["selection/top_k.cl"],
        defines: { _ in [("TOP_K_MAX", OpenCLBackend.kernelCapabilities.maxTopK)] })
}

extension KernelDescriptor {
    private static let argmaxArguments: [ArgumentKind] = [.tensor, .tensor, .uint32, .uint32, .uint32]
    private static let topKArguments: [ArgumentKind] = [
        .tensor, .tensor, .tensor, .uint32, .uint32, .uint32, .uint32, .uint32, .uint32,
    ]
    static let argmaxRow = KernelDescriptor(.argmax, "argmax_row_f32", argmaxArguments)
    static let argmaxGroup = KernelDescriptor(.argmax, "argmax_group_f32", argmaxArguments + [.local, .local])
    static let topKRow = KernelDescriptor(.topK, "top_k_row_f32", topKArguments)
    /// Of short rows.
    static let topKShortRow = KernelDescriptor(.topK, "top_k_row_f32", topKArguments, isChained: true)
    static let topKGroup = KernelDescriptor(.topK, "top_k_group_f32", topKArguments)
}

extension OpenCLBackend {
    public func argmax(_ x: Tensor, into indices: Tensor) throws {
        try ArgumentChecks(op: "argmax").argmax(x, indices: indices)
        let (rows, columns) = (UInt32(x.rows), UInt32(x.columns))
        let cost = LaunchCost(bytes: x.byteCount + indices.byteCount, flops: x.shape.elementCount)
        if tuning.rowIsWorkItem {
            try launch(.argmaxRow, rowItems(x.rows), x, indices, rows, columns, x.stride32, cost: cost)
        } else {
            try launch(
                .argmaxGroup, rowGroups(x.rows), x, indices, rows, columns, x.stride32, rowScratch, rowScratch,
                cost: cost)
        }
    }

    public func topK(_ x: Tensor, count: Int, values: Tensor, indices: Tensor) throws {
        try ArgumentChecks(op: "topK").topK(x, count: count, values: values, indices: indices, capabilities)
        let group = tuning.selectionGroupSize
        try launch(
            tuning.rowIsWorkItem ? (isShort(x) ? .topKShortRow : .topKRow) : .topKGroup,
            tuning.rowIsWorkItem ? rowItems(x.rows) : LaunchRange(x.rows * group, local: group), x, values, indices,
            UInt32(x.rows), UInt32(x.columns), UInt32(count), x.stride32, values.stride32, indices.stride32,
            cost: LaunchCost(bytes: x.byteCount + 2 * values.byteCount, flops: x.shape.elementCount))
    }
}
