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
    private static let gains: [ArgumentKind] = [
        .tensor, .tensor, .tensor, .uint32, .uint32, .uint32, .uint32, .float, .float,
    ]
    fileprivate static let responseGainsRow = KernelDescriptor(.pooling, "response_gains_row_f32", gains)
    fileprivate static let responseGainsGroup = KernelDescriptor(
        .pooling, "response_gains_group_f32", gains + [.local])
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

    public func responseGains(
        _ squares: Tensor, pixelCount: Int, weight: Tensor, epsilon: Float, into output: Tensor
    ) throws {
        try ArgumentChecks(op: "responseGains").responseGains(
            squares, pixelCount: pixelCount, weight: weight, epsilon: epsilon, output: output)
        let (rows, columns) = (UInt32(squares.rows), UInt32(squares.columns))
        let cost = LaunchCost(bytes: 2 * squares.byteCount, flops: 8 * squares.shape.elementCount)
        if tuning.rowIsWorkItem {
            try launch(
                .responseGainsRow, rowItems(squares.rows), squares, weight, output, rows, columns, squares.stride32,
                output.stride32, Float(pixelCount), epsilon, cost: cost)
        } else {
            try launch(
                .responseGainsGroup, rowGroups(squares.rows), squares, weight, output, rows, columns,
                squares.stride32, output.stride32, Float(pixelCount), epsilon, rowScratch, cost: cost)
        }
    }
}
