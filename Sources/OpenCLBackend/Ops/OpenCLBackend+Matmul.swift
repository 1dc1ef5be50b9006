public import TensorCore

extension OpenCLBackend {
    public func matmul(
        _ x: Tensor, _ weight: any Weight, into output: Tensor, epilogue: MatmulEpilogue
    ) throws {
        let product = MatmulProduct(x: x, weight: own(weight), output: output, epilogue: epilogue)
        try MatmulArguments(x: x, weight: product.weight, output: output, epilogue: epilogue).validate()
        if product.tokens == 0 || product.columns == 0 { return }
        if try launchQuantised(product) { return }
        let streams = product.tokens <= min(tuning.matmul.maxVectorTokens, 8)
        switch (tuning.matmul.variant, streams) {
        case (.registers, true): try launchVector(product)
        case (.registers, false):
            let kernel = MatmulKernels.tiled(product.weight.format, variant: .registers)
            try launchPanels(product, kernel, tuning.matmul.panel, x: product.x, xStride: product.x.stride32)
        case (.groups, true): try launchRows(product)
        case (.groups, false): try launchTiles(product)
        }
    }

    /// Launches a product with quantised activations where its weight asks for one and it is faster.
    private func launchQuantised(_ product: MatmulProduct) throws -> Bool {
        guard let quantisation = product.weight.quantisation else { return false }
        let key = MatmulKernels.QuantisedKey(format: product.weight.format, quantisation: quantisation)
        switch quantisation {
        case .bfloat16:
            guard product.tokens >= tuning.matmul.minBFloat16Tokens else { return false }
            try launchQuantisedPanels(
                product, key, tuning.matmul.bfloat16Panel, quantisedStride: ceilDivide(product.weight.columns, 32) * 16)
        case .int8:
            if try launchInt8GEMV(product, key) { return true }
            try launchQuantisedPanels(
                product, key, tuning.matmul.int8Panel, quantisedStride: ceilDivide(product.weight.columns, 64) * 24)
        }
        return true
    }

    /// Streams the quants of the weight for few tokens, where their quantised activations fit local memory.
    private func launchInt8GEMV(_ product: MatmulProduct, _ key: MatmulKernels.QuantisedKey) throws -> Bool {
        let compiled = MatmulKernels.compiledTokens(product.tokens)
        let quantisedByteCount = ceilDivide(product.weight.columns, 64) * 64 * 3
        guard product.tokens <= tuning.matmul.maxInt8GEMVTokens,
            compiled * quantisedByteCount <= device.localMemoryByteCount / 8 * 7
        else { return false }
        let itemColumns = vectorItemColumns(product)
        var key = key
        key.tokens = compiled
        try launch(
            MatmulKernels.quantisedVector[key], LaunchRange(ceilDivide(product.columns, itemColumns), local: 1),
            product, x: product.x,
            xStride: product.x.stride32, UInt32(itemColumns), LocalMemory(byteCount: compiled * quantisedByteCount))
        return true
    }

    private func launchQuantisedPanels(
        _ product: MatmulProduct, _ key: MatmulKernels.QuantisedKey, _ panel: PanelTuning, quantisedStride: Int
    ) throws {
        let quantised = try quantised(tokens: product.tokens, inputs: product.weight.columns)
        try launch(
            MatmulKernels.quantise[key], LaunchRange(product.tokens, local: 1), product.x, product.x.stride32,
            quantised,
            UInt32(product.weight.columns),
            cost: LaunchCost(bytes: product.x.byteCount * 3 / 2, flops: product.tokens * product.weight.columns))
        try launchPanels(
            product, MatmulKernels.quantisedPanel[key], panel, x: quantised, xStride: UInt32(quantisedStride))
    }

    private func launchVector(_ product: MatmulProduct) throws {
        let itemColumns = vectorItemColumns(product)
        try launch(
            MatmulKernels.streaming(product.weight.format, tokens: product.tokens, variant: .registers),
            LaunchRange(ceilDivide(product.columns, itemColumns), local: 1), product, x: product.x,
            xStride: product.x.stride32, UInt32(itemColumns))
    }

    /// Output columns of a work-item of the streaming kernel.
    private func vectorItemColumns(_ product: MatmulProduct) -> Int {
        let items = max(
            device.computeUnitCount * tuning.matmul.itemsPerUnit,
            product.weight.byteCount / tuning.matmul.itemByteCount)
        return ceilDivide(product.columns, items * 16) * 16
    }

    /// A work-item takes whole panels where there are enough for all compute units, and smaller ones where there are not;
    /// where even single sub-panels are too few it takes fewer tokens.
    private func launchPanels(
        _ product: MatmulProduct, _ kernel: KernelDescriptor, _ panel: PanelTuning, x: some BufferArgument,
        xStride: UInt32
    ) throws {
        let subpanels = ceilDivide(product.columns, product.isGated ? 16 : 32)
        let itemSubpanels = min(panel.columns / 32, max(1, subpanels / (device.computeUnitCount * 2)))
        let itemCount = ceilDivide(subpanels, itemSubpanels)
        let tokenItems = max(
            ceilDivide(product.tokens, panel.tokens),
            min(ceilDivide(device.computeUnitCount * 2, itemCount), product.tokens / 64))
        let itemTokens = ceilDivide(product.tokens, tokenItems * 8) * 8
        // The partial sums need room only where the features do not fit one panel.
        let needsPartials = product.weight.columns > panel.inputs
        let partialByteCount = needsPartials ? itemTokens * panel.columns * MemoryLayout<Float>.size : 64
        try launch(
            kernel, LaunchRange((itemCount, ceilDivide(product.tokens, itemTokens)), local: (1, 1)), product, x: x,
            xStride: xStride, UInt32(itemSubpanels), UInt32(itemTokens), LocalMemory(byteCount: panel.byteCount),
            LocalMemory(byteCount: partialByteCount))
    }

    private func launchRows(_ product: MatmulProduct) throws {
        let groupSize = tuning.matmul.rowsColumns * tuning.matmul.rowsLanes
        let groups = ceilDivide(product.columns, tuning.matmul.rowsColumns)
        try launch(
            MatmulKernels.streaming(product.weight.format, tokens: product.tokens, variant: .groups),
            LaunchRange(groups * groupSize, local: groupSize), product, x: product.x, xStride: product.x.stride32)
    }

    private func launchTiles(_ product: MatmulProduct) throws {
        let groups = ceilDivide(product.columns, product.isGated ? 32 : 64)
        try launch(
            MatmulKernels.tiled(product.weight.format, variant: .groups),
            LaunchRange((groups * 256, ceilDivide(product.tokens, 64)), local: (256, 1)), product, x: product.x,
            xStride: product.x.stride32)
    }

    private func launch<each Extra: KernelArgument>(
        _ descriptor: KernelDescriptor, _ range: LaunchRange, _ product: MatmulProduct, x: some BufferArgument,
        xStride: UInt32, _ extra: repeat each Extra
    ) throws {
        let (weight, epilogue) = (product.weight, product.epilogue)
        let parts = weight.regions
        let last = parts[parts.count - 1]
        let middle = parts.count > 2 ? parts[1] : last
        let firstEnd = parts[0].rows
        try launch(
            descriptor, range, x, xStride, parts[0].region(weight.format),
            middle.region(weight.format), last.region(weight.format), weight.scalesRegion, UInt32(firstEnd),
            UInt32(parts.count > 2 ? firstEnd + middle.rows : firstEnd), epilogue.bias, epilogue.residual,
            epilogue.residual.stride32, product.output, product.output.stride32, UInt32(product.tokens),
            UInt32(weight.columns), UInt32(weight.rows), product.flags, repeat each extra, cost: product.cost)
    }
}

func ceilDivide(_ value: Int, _ divisor: Int) -> Int { (value + divisor - 1) / divisor }

/// One matrix product, with checked shapes and in the kernels' units.
private struct MatmulProduct {
    let x: Tensor
    let weight: OpenCLWeight
    let output: Tensor
    let epilogue: MatmulEpilogue

    var isGated: Bool { epilogue.isGated }
    var tokens: Int { x.rows }
    var columns: Int { isGated ? weight.rows / 2 : weight.rows }

    /// The bits EPILOGUE_… of matmul_common.cl.
    var flags: UInt32 {
        (epilogue.bias == nil ? 0 : 1) | (epilogue.residual == nil ? 0 : 2) | (isGated ? 4 : 0)
            | (epilogue.activation?.kernelCode ?? 0) << 4
    }

    var cost: LaunchCost {
        let residual = epilogue.residual?.byteCount ?? 0
        return LaunchCost(
            bytes: weight.byteCount + x.byteCount + output.byteCount + residual,
            flops: 2 * tokens * weight.rows * weight.columns)
    }
}
