public import TensorCore

extension ProgramDescriptor {
    static let selection = ProgramDescriptor(
        "selection", sources: ["selection/argmax.cl", "selection/top_k.cl"],
        defines: { _ in [("TOP_K_MAX", OpenCLBackend.maxTopK)] })
}

extension KernelDescriptor {
    private static let argmaxArguments: [ArgumentKind] = [.tensor, .tensor, .uint32, .uint32, .uint32]
    private static let topKArguments: [ArgumentKind] = [
        .tensor, .tensor, .tensor, .uint32, .uint32, .uint32, .uint32, .uint32, .uint32,
    ]
    static let argmaxRow = KernelDescriptor(.selection, "argmax_row_f32", argmaxArguments)
    static let argmaxGroup = KernelDescriptor(.selection, "argmax_group_f32", argmaxArguments + [.local, .local])
    static let topKRow = KernelDescriptor(.selection, "top_k_row_f32", topKArguments)
    static let topKGroup = KernelDescriptor(.selection, "top_k_group_f32", topKArguments)
}

extension OpenCLBackend {
    public static var maxTopK: Int { 256 }

    public func argmax(_ x: Tensor, into indices: Tensor) throws {
        let checks = ShapeChecks(op: "argmax")
        try checks.matrix(x, "x", rows: x.rows, columns: x.columns)
        try checks.vector(indices, "indices", count: x.rows, dtype: .int32)
        try checks.require(x.columns > 0 || x.rows == 0, "rows without columns have no largest element")
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
        let checks = ShapeChecks(op: "topK")
        try checks.matrix(x, "x", rows: x.rows, columns: x.columns)
        guard count <= Self.maxTopK else {
            throw BackendError.limitExceeded(op: "topK", limit: "count", maximum: Self.maxTopK, found: count)
        }
        try checks.require(count >= 0 && count <= x.columns, "count \(count) of rows of \(x.columns)")
        try checks.matrix(values, "values", rows: x.rows, columns: count)
        try checks.matrix(indices, "indices", rows: x.rows, columns: count, dtype: .int32)
        if count == 0 { return }
        let group = tuning.selectionGroupSize
        try launch(
            tuning.rowIsWorkItem ? .topKRow : .topKGroup,
            tuning.rowIsWorkItem ? rowItems(x.rows) : LaunchRange(x.rows * group, local: group), x, values, indices,
            UInt32(x.rows), UInt32(x.columns), UInt32(count), x.stride32, values.stride32, indices.stride32,
            cost: LaunchCost(bytes: x.byteCount + 2 * values.byteCount, flops: x.shape.elementCount))
    }
}
