public import TensorCore

extension ProgramDescriptor {
    fileprivate static let image = ProgramDescriptor("image", sources: ["convolution/window.cl", "image/image.cl"])
}

extension KernelDescriptor {
    private static let images: [ArgumentKind] = [.tensor, .tensor, .uint32, .uint32, .uint32, .uint32]
    fileprivate static let scaleChannels = KernelDescriptor(
        .image, "scale_channels_f32",
        [.tensor, .tensor, .tensor, .uint32, .uint32, .uint32, .uint32, .uint32, .uint32])
    fileprivate static let resize = KernelDescriptor(
        .image, "resize_f32", images + [.int32, .int32, .int32, .int32, .uint32])
    fileprivate static let pixelShuffle = KernelDescriptor(
        .image, "pixel_shuffle_f32", images + [.uint32, .uint32, .uint32])
}

extension OpenCLBackend {
    public func scaleChannels(_ x: Tensor, by scales: Tensor, into output: Tensor) throws {
        try ArgumentChecks(op: "scaleChannels").scaleChannels(x, scales: scales, output: output)
        try launch(
            .scaleChannels, vectorItems(columns: x.columns, rows: x.rows), x, scales, output, UInt32(x.rows),
            UInt32(x.columns), x.stride32, scales.stride32, output.stride32, UInt32(max(x.rows / scales.rows, 1)),
            cost: LaunchCost(bytes: 2 * x.byteCount, flops: x.shape.elementCount))
    }

    public func resize(
        _ x: Tensor, imageCount: Int, image: Extent2D, grid: Extent2D, interpolation: ImageInterpolation,
        into output: Tensor
    ) throws {
        try ArgumentChecks(op: "resize").adaptivePool(
            x, imageCount: imageCount, image: image, grid: grid, output: output)
        try launch(
            .resize, vectorItems(columns: x.columns, rows: output.rows), x, output, UInt32(output.rows),
            UInt32(x.columns), x.stride32, output.stride32, Int32(image.height), Int32(image.width),
            Int32(grid.height), Int32(grid.width), interpolation.kernelCode,
            cost: LaunchCost(bytes: x.byteCount + output.byteCount, flops: 8 * output.shape.elementCount))
    }

    public func pixelShuffle(
        _ x: Tensor, imageCount: Int, image: Extent2D, factor: Int, into output: Tensor
    ) throws {
        try ArgumentChecks(op: "pixelShuffle").pixelShuffle(
            x, imageCount: imageCount, image: image, factor: factor, output: output)
        let items = tuning.rowIsWorkItem ? min(output.columns, 1) : output.columns
        try launch(
            .pixelShuffle, LaunchRange((items, output.rows), local: (tuning.elementGroupSize, 1)), x, output,
            UInt32(output.rows), UInt32(output.columns), x.stride32, output.stride32, UInt32(image.height),
            UInt32(image.width), UInt32(factor), cost: LaunchCost(bytes: 2 * x.byteCount, flops: 0))
    }
}

extension ImageInterpolation {
    fileprivate var kernelCode: UInt32 {
        switch self {
        case .nearest: 0
        case .bilinear: 1
        case .bilinearAlignedCorners: 2
        }
    }
}
