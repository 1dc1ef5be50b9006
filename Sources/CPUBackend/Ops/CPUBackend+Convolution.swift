internal import CPUKernels
public import TensorCore

extension CPUBackend {
    public func unfold(_ x: Tensor, window: ImageWindow, rows: Range<Int>, into patches: Tensor) throws {
        try ArgumentChecks(op: "unfold").unfold(x, window: window, rows: rows, patches: patches)
        var kernelWindow = window.kernelWindow(channels: x.columns)
        launch("unfold_f32", byteCount: 2 * patches.byteCount) {
            cpuk_unfold(
                context, &kernelWindow, x.floatRows, Int64(rows.lowerBound), Int64(rows.count), patches.floatRows)
        }
    }

    public func fold(
        _ patches: Tensor, window: ImageWindow, bias: Tensor?, activation: Activation?, into output: Tensor
    ) throws {
        try ArgumentChecks(op: "fold").fold(patches, window: window, bias: bias, output: output)
        var kernelWindow = window.kernelWindow(channels: output.columns)
        launch(
            "fold_f32", byteCount: patches.byteCount + output.byteCount, flopCount: patches.shape.elementCount
        ) {
            cpuk_fold(
                context, &kernelWindow, patches.floatRows, bias?.floats, activation.kernelActivation, output.floatRows)
        }
    }

    public func convolveDepthwise(
        _ x: Tensor, weight: Tensor, window: ImageWindow, bias: Tensor?, activation: Activation?, into output: Tensor
    ) throws {
        try ArgumentChecks(op: "convolveDepthwise").convolveDepthwise(
            x, weight: weight, window: window, bias: bias, output: output)
        var kernelWindow = window.kernelWindow(channels: x.columns)
        launch(
            "convolve_depthwise_f32", byteCount: x.byteCount + output.byteCount,
            flopCount: 2 * window.tapCount * output.shape.elementCount
        ) {
            cpuk_convolve_depthwise(
                context, &kernelWindow, x.floatRows, weight.floats, bias?.floats, activation.kernelActivation,
                output.floatRows)
        }
    }
}

extension ImageWindow {
    func kernelWindow(channels: Int) -> cpuk_window {
        cpuk_window(
            images: Int64(imageCount), image_height: Int64(image.height), image_width: Int64(image.width),
            grid_height: Int64(grid.height), grid_width: Int64(grid.width), kernel_height: Int64(kernel.height),
            kernel_width: Int64(kernel.width), stride_y: Int64(stride.height), stride_x: Int64(stride.width),
            padding_y: Int64(padding.height), padding_x: Int64(padding.width), dilation_y: Int64(dilation.height),
            dilation_x: Int64(dilation.width), channels: Int64(channels))
    }
}
