internal import CPUKernels
public import TensorCore

extension CPUBackend {
    public func scaleChannels(_ x: Tensor, by scales: Tensor, into output: Tensor) throws {
        try ArgumentChecks(op: "scaleChannels").scaleChannels(x, scales: scales, output: output)
        var arguments = cpuk_scale_channels_args(
            images: Int64(scales.rows), rows: Int64(x.rows), columns: Int64(x.columns), x: x.floatRows,
            scales: scales.floatRows, output: output.floatRows)
        launch("scale_channels_f32", byteCount: 2 * x.byteCount, flopCount: x.shape.elementCount) {
            cpuk_scale_channels(context, &arguments)
        }
    }

    public func resize(
        _ x: Tensor, imageCount: Int, image: Extent2D, grid: Extent2D, interpolation: ImageInterpolation,
        into output: Tensor
    ) throws {
        try ArgumentChecks(op: "resize").adaptivePool(
            x, imageCount: imageCount, image: image, grid: grid, output: output)
        var arguments = cpuk_image_args(x, imageCount: imageCount, image: image, grid: grid, output: output)
        launch(
            "resize_f32", byteCount: x.byteCount + output.byteCount, flopCount: 8 * output.shape.elementCount
        ) { cpuk_resize(context, &arguments, interpolation.kernelInterpolation) }
    }

    public func pixelShuffle(
        _ x: Tensor, imageCount: Int, image: Extent2D, factor: Int, into output: Tensor
    ) throws {
        try ArgumentChecks(op: "pixelShuffle").pixelShuffle(
            x, imageCount: imageCount, image: image, factor: factor, output: output)
        let grid = Extent2D(height: image.height * factor, width: image.width * factor)
        var arguments = cpuk_image_args(x, imageCount: imageCount, image: image, grid: grid, output: output)
        launch("pixel_shuffle_f32", byteCount: 2 * x.byteCount) {
            cpuk_pixel_shuffle(context, &arguments, Int64(factor))
        }
    }
}

extension cpuk_image_args {
    fileprivate init(_ x: Tensor, imageCount: Int, image: Extent2D, grid: Extent2D, output: Tensor) {
        self.init(
            images: Int64(imageCount), image_height: Int64(image.height), image_width: Int64(image.width),
            grid_height: Int64(grid.height), grid_width: Int64(grid.width), channels: Int64(output.columns),
            x: x.floatRows, output: output.floatRows)
    }
}

extension ImageInterpolation {
    fileprivate var kernelInterpolation: cpuk_interpolation {
        switch self {
        case .nearest: CPUK_NEAREST
        case .bilinear: CPUK_BILINEAR
        case .bilinearAlignedCorners: CPUK_BILINEAR_ALIGNED
        }
    }
}
