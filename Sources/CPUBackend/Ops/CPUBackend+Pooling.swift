internal import CPUKernels
public import TensorCore

extension CPUBackend {
    public func maxPool(_ x: Tensor, window: ImageWindow, into output: Tensor) throws {
        // Whoever has a quantised map has it from this backend.
        try ArgumentChecks(op: "maxPool").maxPool(x, window: window, output: output, quantises: true)
        var kernelWindow = window.kernelWindow(channels: x.columns)
        guard x.dtype == .uint8 || output.dtype == .uint8 else {
            launch("max_pool_f32", byteCount: x.byteCount + output.byteCount) {
                cpuk_max_pool(context, &kernelWindow, x.floatRows, output.floatRows)
            }
            return
        }
        launch("max_pool_int8", byteCount: x.byteCount + output.byteCount) {
            cpuk_max_pool_quantised(
                context, &kernelWindow, x.floatRows, x.quantisedPixels, output.floatRows, output.quantisedPixels)
        }
    }

    public func averagePool(_ x: Tensor, window: ImageWindow, countsPadding: Bool, into output: Tensor) throws {
        try ArgumentChecks(op: "averagePool").averagePool(x, window: window, output: output)
        var kernelWindow = window.kernelWindow(channels: x.columns)
        launch("average_pool_f32", byteCount: x.byteCount + output.byteCount, flopCount: x.shape.elementCount) {
            cpuk_average_pool(context, &kernelWindow, countsPadding, x.floatRows, output.floatRows)
        }
    }

    public func adaptiveAveragePool(
        _ x: Tensor, imageCount: Int, image: Extent2D, grid: Extent2D, into output: Tensor
    ) throws {
        try ArgumentChecks(op: "adaptiveAveragePool").adaptivePool(
            x, imageCount: imageCount, image: image, grid: grid, output: output)
        let window = ImageWindow(imageCount: imageCount, image: image, grid: grid, kernel: Extent2D(1))
        var kernelWindow = window.kernelWindow(channels: x.columns)
        launch("adaptive_pool_f32", byteCount: x.byteCount + output.byteCount, flopCount: x.shape.elementCount) {
            cpuk_adaptive_average_pool(context, &kernelWindow, x.floatRows, output.floatRows)
        }
    }

    public func localResponseNorm(
        _ x: Tensor, size: Int, alpha: Float, beta: Float, k: Float, into output: Tensor
    ) throws {
        try ArgumentChecks(op: "localResponseNorm").localResponseNorm(
            x, size: size, [alpha, beta, k], output: output)
        var arguments = cpuk_local_norm_args(
            rows: Int64(x.rows), columns: Int64(x.columns), size: Int64(size), x: x.floatRows,
            output: output.floatRows, alpha: alpha, beta: beta, k: k)
        launch(
            "local_response_norm_f32", byteCount: 2 * x.byteCount, flopCount: (2 * size + 20) * x.shape.elementCount
        ) { cpuk_local_response_norm(context, &arguments) }
    }

    public func responseGains(
        _ squares: Tensor, pixelCount: Int, weight: Tensor, epsilon: Float, into output: Tensor
    ) throws {
        try ArgumentChecks(op: "responseGains").responseGains(
            squares, pixelCount: pixelCount, weight: weight, epsilon: epsilon, output: output)
        var arguments = cpuk_response_gains_args(
            rows: Int64(squares.rows), columns: Int64(squares.columns), pixels: Int64(pixelCount),
            squares: squares.floatRows, output: output.floatRows, weight: weight.floats, epsilon: epsilon)
        launch(
            "response_gains_f32", byteCount: 2 * squares.byteCount, flopCount: 8 * squares.shape.elementCount
        ) { cpuk_response_gains(context, &arguments) }
    }
}
