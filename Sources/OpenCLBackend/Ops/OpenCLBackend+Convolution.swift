public import TensorCore

extension ProgramDescriptor {
    fileprivate static let convolution = ProgramDescriptor(
        "convolution",
        sources: [
            "convolution/window.cl", "convolution/unfold.cl", "convolution/fold.cl",
            "convolution/convolve_depthwise.cl",
        ])
}

extension ArgumentKind {
    /// The parameters of a window, in the order of `launch(_:_:window:_:cost:)`.
    static let window = [ArgumentKind](repeating: .int32, count: 12)
}

extension KernelDescriptor {
    fileprivate static let unfold = KernelDescriptor(
        .convolution, "unfold_f32",
        [.tensor, .tensor, .uint32, .uint32, .uint32, .uint32, .uint32] + ArgumentKind.window)
    fileprivate static let fold = KernelDescriptor(
        .convolution, "fold_f32",
        [.tensor, .optionalTensor, .tensor, .uint32, .uint32, .uint32, .uint32, .uint32] + ArgumentKind.window)
    fileprivate static let convolveDepthwise = KernelDescriptor(
        .convolution, "convolve_depthwise_f32",
        [.tensor, .tensor, .optionalTensor, .tensor, .uint32, .uint32, .uint32, .uint32, .uint32]
            + ArgumentKind.window)
}

extension OpenCLBackend {
    public func unfold(_ x: Tensor, window: ImageWindow, rows: Range<Int>, into patches: Tensor) throws {
        try ArgumentChecks(op: "unfold").unfold(x, window: window, rows: rows, patches: patches)
        let chunks = window.tapCount * ((x.columns + 15) / 16)
        let items = tuning.rowIsWorkItem ? min(chunks, 1) : chunks
        try launch(
            .unfold, LaunchRange((items, rows.count), local: (tuning.elementGroupSize, 1)), window: window, x, patches,
            UInt32(rows.lowerBound), UInt32(rows.count), UInt32(x.columns), x.stride32, patches.stride32,
            cost: LaunchCost(bytes: 2 * patches.byteCount, flops: 0))
    }

    public func fold(
        _ patches: Tensor, window: ImageWindow, bias: Tensor?, activation: Activation?, into output: Tensor
    ) throws {
        try ArgumentChecks(op: "fold").fold(patches, window: window, bias: bias, output: output)
        try launch(
            .fold, vectorItems(columns: output.columns, rows: output.rows), window: window, patches, bias, output,
            UInt32(output.rows), UInt32(output.columns), patches.stride32, output.stride32,
            activation?.kernelCode ?? 0,
            cost: LaunchCost(bytes: patches.byteCount + output.byteCount, flops: patches.shape.elementCount))
    }

    public func convolveDepthwise(
        _ x: Tensor, weight: Tensor, window: ImageWindow, bias: Tensor?, activation: Activation?, into output: Tensor
    ) throws {
        try ArgumentChecks(op: "convolveDepthwise").convolveDepthwise(
            x, weight: weight, window: window, bias: bias, output: output)
        try launch(
            .convolveDepthwise, vectorItems(columns: x.columns, rows: output.rows), window: window, x, weight, bias,
            output, UInt32(output.rows), UInt32(x.columns), x.stride32, output.stride32, activation?.kernelCode ?? 0,
            cost: LaunchCost(
                bytes: x.byteCount + output.byteCount, flops: 2 * window.tapCount * output.shape.elementCount))
    }

    /// Launches a kernel whose last parameters are a window's.
    func launch<each Argument: KernelArgument>(
        _ descriptor: KernelDescriptor, _ range: LaunchRange, window: ImageWindow,
        _ arguments: repeat each Argument, cost: LaunchCost
    ) throws {
        try launch(
            descriptor, range, repeat each arguments, Int32(window.image.height), Int32(window.image.width),
            Int32(window.grid.height), Int32(window.grid.width), Int32(window.kernel.height),
            Int32(window.kernel.width), Int32(window.stride.height), Int32(window.stride.width),
            Int32(window.padding.height), Int32(window.padding.width), Int32(window.dilation.height),
            Int32(window.dilation.width), cost: cost)
    }
}
