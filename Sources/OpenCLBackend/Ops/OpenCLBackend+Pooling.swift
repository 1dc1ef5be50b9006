public import TensorCore

extension ProgramDescriptor {
    fileprivate static let pooling = ProgramDescriptor(
        "pooling", sources: ["convolution/window.cl", "pooling/pooling.cl"])
}

extension KernelDescriptor {
    private static let rows: [ArgumentKind] = [.tensor, .tensor, .uint32, .uint32, .uint32, .uint32]
    fileprivate static let maxPool = KernelDescriptor(.pooling, "max_pool_f32", rows + ArgumentKind.window)
    fileprivate static let averagePool = KernelDescriptor(
        .pooling, "average_pool_f32", rows + [.uint32] + ArgumentKind.window)
    fileprivate static let adaptivePool = KernelDescriptor(
        .pooling, "adaptive_pool_f32", rows + [.uint32, .uint32, .uint32, .uint32])
    fileprivate static let localResponseNorm = KernelDescriptor(
        .pooling, "local_response_norm_f32", rows + [.int32, .float, .float, .float])
}

extension OpenCLBackend {
    public func maxPool(_ x: Tensor, window: ImageWindow, into output: Tensor) throws {
        try ArgumentChecks(op: "maxPool").maxPool(x, window: window, output: output)
        try launch(
            .maxPool, vectorItems(columns: x.columns, rows: output.rows), window: window, x, output,
            UInt32(output.rows), UInt32(x.columns), x.stride32, output.stride32,
            cost: LaunchCost(bytes: x.byteCount + output.byteCount, flops: 0))
    }

    public func averagePool(_ x: Tensor, window: ImageWindow, countsPadding: Bool, into output: Tensor) throws {
        try ArgumentChecks(op: "averagePool").averagePool(x, window: window, output: output)
        try launch(
            .averagePool, vectorItems(columns: x.columns, rows: output.rows), window: window, x, output,
            UInt32(output.rows), UInt32(x.columns), x.stride32, output.stride32, UInt32(countsPadding ? 1 : 0),
            cost: LaunchCost(bytes: x.byteCount + output.byteCount, flops: x.shape.elementCount))
    }

    public func adaptiveAveragePool(
        _ x: Tensor, imageCount: Int, image: Extent2D, grid: Extent2D, into output: Tensor
    ) throws {
        try ArgumentChecks(op: "adaptiveAveragePool").adaptivePool(
            x, imageCount: imageCount, image: image, grid: grid, output: output)
        try launch(
            .adaptivePool, vectorItems(columns: x.columns, rows: output.rows), x, output, UInt32(output.rows),
            UInt32(x.columns), x.stride32, output.stride32, UInt32(image.height), UInt32(image.width),
            UInt32(grid.height), UInt32(grid.width),
            cost: LaunchCost(bytes: x.byteCount + output.byteCount, flops: x.shape.elementCount))
    }

    public func localResponseNorm(
        _ x: Tensor, size: Int, alpha: Float, beta: Float, k: Float, into output: Tensor
    ) throws {
        try ArgumentChecks(op: "localResponseNorm").localResponseNorm(
            x, size: size, [alpha, beta, k], output: output)
        let items = tuning.rowIsWorkItem ? min(x.columns, 1) : x.columns
        try launch(
            .localResponseNorm, LaunchRange((items, x.rows), local: (tuning.elementGroupSize, 1)), x, output,
            UInt32(x.rows), UInt32(x.columns), x.stride32, output.stride32, Int32(size), alpha, beta, k,
            cost: LaunchCost(bytes: 2 * x.byteCount, flops: (2 * size + 20) * x.shape.elementCount))
    }
}
