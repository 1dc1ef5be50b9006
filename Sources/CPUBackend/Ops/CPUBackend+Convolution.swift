internal import CPUKernels
public import TensorCore

extension CPUBackend {
    public func convolve(
        _ x: Tensor, weights: [any Weight], window: ImageWindow, scratch: Tensor?, epilogue: ConvolutionEpilogue,
        into output: Tensor
    ) throws {
        let call = try ConvolutionArguments(
            x: x, weights: weights, window: window, scratch: scratch, epilogue: epilogue, output: output,
            quantises: quantisesMaps(weights: weights, window: window))
        guard let scratch, let (plan, packed) = packed(weights, window, scratch: scratch) else {
            return try convolveByPatches(
                x, weights: weights, window: window, scratch: scratch, epilogue: epilogue, into: output)
        }
        var kernelWindow = window.kernelWindow(channels: x.columns / weights.count)
        for (group, weight) in packed.enumerated() {
            let (inputs, outputs) = (call.inputColumns(of: group), call.outputColumns(of: group))
            launch(
                "convolve_\(plan.form.name)",
                byteCount: x.byteCount + output.byteCount + outputs.count * call.patchSize * 4,
                flopCount: 2 * window.gridRows * outputs.count * call.patchSize
            ) {
                withUnsafePointer(to: &kernelWindow) { kernelWindow in
                    var arguments = cpuk_convolution_args(
                        window: kernelWindow, form: plan.form, outputs: Int64(outputs.count),
                        x: x.columns(inputs).floatRows, packed: weight, bias: epilogue.bias?.rows(outputs).floats,
                        activation: epilogue.activation.kernelActivation,
                        residual: (epilogue.residual?.columns(outputs)).floatRows,
                        adds_residual_first: epilogue.addsResidualFirst,
                        output: output.columns(outputs).floatRows, quantised_x: x.quantisedPixels,
                        quantised_residual: epilogue.residual?.quantisedPixels,
                        quantised_output: output.quantisedPixels, scratch: scratch.hostPointer)
                    cpuk_convolve(context, &arguments)
                }
            }
        }
    }

    public func convolutionScratchCount(weights: [any Weight], window: ImageWindow) -> Int {
        guard let weight = weights.first, let plan = Check.weight(weight).convolutionPlan(window, context) else {
            return patchScratchCount(weights: weights, window: window)
        }
        return max((Int(plan.scratch_bytes) + 3) / MemoryLayout<Float>.size, weight.columns)
    }

    public func quantisesMaps(weights: [any Weight], window: ImageWindow) -> Bool {
        guard weights.count == 1, let weight = weights.first.map(Check.weight),
            weight.convolutionPlan(window, context)?.form == CPUK_CONVOLUTION_INT8
        else { return false }
        return CPUBackend.quantisedChannels.contains(weight.rows)
    }

    /// Quantised pixels of fewer channels would need as much memory as floats.
    private static let quantisedChannels = 32...Int(CPUK_MOST_QUANTISED_CHANNELS)

    /// The weights of all groups as the kernels of convolutions read them; `nil` where patches are multiplied instead.
    private func packed(
        _ weights: [any Weight], _ window: ImageWindow, scratch: Tensor
    ) -> (cpuk_convolution_plan, [UnsafeRawPointer])? {
        guard let first = weights.first, let plan = Check.weight(first).convolutionPlan(window, context),
            scratch.byteOffset % CPUWeight.lineByteCount == 0, scratch.byteCount >= Int(plan.scratch_bytes)
        else { return nil }
        var packed: [UnsafeRawPointer] = []
        for weight in weights.map(Check.weight) {
            guard weight.convolutionPlan(window, context)?.form == plan.form,
                let pointer = weight.prepareConvolution(window, plan, context)
            else { return nil }
            packed.append(pointer)
        }
        return (plan, packed)
    }

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

extension Tensor {
    /// The pixels of a map that convolutions have quantised; `nil`: it has floats.
    var quantisedPixels: UnsafeMutableRawPointer? { dtype == .uint8 ? hostPointer : nil }
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

extension cpuk_convolution_form {
    /// As profiles call it.
    fileprivate var name: String {
        switch self {
        case CPUK_CONVOLUTION_WINOGRAD_2, CPUK_CONVOLUTION_WINOGRAD_4: "winograd_f32"
        case CPUK_CONVOLUTION_INT8: "int8"
        default: "f32"
        }
    }
}
