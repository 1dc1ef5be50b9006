internal import CPUKernels
internal import TensorCore

/// Products of whole texts with FP32 weights: those of convolutions whose windows are one pixel, a token. Their weights
/// are packed once, and sums get their epilogue in registers, which takes a tenth less time (a sixth with 130 tokens)
/// than packing for each product and multiplying into scratch.
extension CPUBackend {
    /// Scratch for any of these products within limits; `nil` where products are left as they are: single tokens are
    /// faster with weights as they lie, and a library reads no others.
    func makePanelScratch(_ limits: ExecutionLimits) throws -> CPUBuffer? {
        // What is packed once stays so.
        guard limits.readsWholeTexts || panelScratch != nil, openBLASName == nil else { return nil }
        var weight = cpuk_weight()
        weight.format = NumberFormat.float32.kernelFormat
        weight.rows = 1
        weight.columns = Int64(limits.matmulInputCount)
        var window = CPUBackend.tokens(limits.tokenCount).kernelWindow(channels: limits.matmulInputCount)
        let plan = cpuk_plan_convolution(context, &window, &weight, CPUK_CONVOLUTION_DIRECT)
        guard plan.form == CPUK_CONVOLUTION_DIRECT else { return nil }
        guard let scratch = CPUBuffer(byteCount: Int(plan.scratch_bytes)) else {
            throw BackendError.outOfMemory(requestedByteCount: Int(plan.scratch_bytes), device: "CPU")
        }
        return scratch
    }

    /// Computes a product of whole texts. Returns false, having done nothing, for others.
    func multiplyPanels(_ x: Tensor, _ weight: CPUWeight, into output: Tensor, epilogue: MatmulEpilogue) -> Bool {
        let window = CPUBackend.tokens(x.rows)
        let mayPack = limits?.readsWholeTexts == true && !isRowInvariant && weight.isOnlyMultiplied
        guard let panelScratch, mayPack || weight.isPackedForConvolutions, !epilogue.isGated, weight.format == .float32,
            let plan = weight.convolutionPlan(window, context), plan.form == CPUK_CONVOLUTION_DIRECT,
            plan.scratch_bytes <= panelScratch.byteCount,
            let packed = weight.prepareConvolution(window, plan, context)
        else { return false }
        var kernelWindow = window.kernelWindow(channels: x.columns)
        launch(
            "matmul_panels_f32", byteCount: weight.rows * weight.columns * 4 + x.byteCount + output.byteCount,
            flopCount: 2 * x.rows * weight.rows * weight.columns
        ) {
            withUnsafePointer(to: &kernelWindow) { kernelWindow in
                var arguments = cpuk_convolution_args(
                    window: kernelWindow, form: plan.form, outputs: Int64(weight.rows), x: x.floatRows, packed: packed,
                    bias: epilogue.bias?.floats, activation: epilogue.activation.kernelActivation,
                    residual: epilogue.residual.floatRows, adds_residual_first: false, output: output.floatRows,
                    quantised_x: nil, quantised_residual: nil, quantised_output: nil,
                    scratch: panelScratch.pointer)
                cpuk_convolve(context, &arguments)
            }
        }
        return true
    }

    /// Tokens as the pixels of a picture, one below the other.
    private static func tokens(_ count: Int) -> ImageWindow {
        let size = Extent2D(height: count, width: 1)
        return ImageWindow(imageCount: 1, image: size, grid: size, kernel: Extent2D(1))
    }
}
