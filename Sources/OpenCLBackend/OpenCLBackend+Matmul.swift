public import TensorCore

extension OpenCLBackend {
    public func matmul(
        _ x: Tensor, _ weight: any Weight, into output: Tensor, epilogue: MatmulEpilogue
    ) throws {
        let product = MatmulProduct(x: x, weight: own(weight), output: output, epilogue: epilogue)
        try product.check()
        if product.tokens == 0 || product.columns == 0 { return }
        let streams = product.tokens <= min(tuning.matmul.maxVectorTokens, 8)
        switch (tuning.matmul.variant, streams) {
        case (.registers, true): try launchVector(product)
        case (.registers, false): try launchPanels(product)
        case (.groups, true): try launchRows(product)
        case (.groups, false): try launchTiles(product)
        }
    }

    private func launchVector(_ product: MatmulProduct) throws {
        let items = max(
            device.computeUnitCount * tuning.matmul.itemsPerUnit,
            product.weight.byteCount / tuning.matmul.itemByteCount)
        let itemColumns = ceilDivide(product.columns, items * 16) * 16
        try launch(
            MatmulKernels.streaming(product.weight.format, tokens: product.tokens, variant: .registers),
            LaunchRange(ceilDivide(product.columns, itemColumns), local: 1), product, UInt32(itemColumns))
    }

    /// A work-item takes whole panels where there are enough for all compute units, and smaller ones where there are not;
    /// where even single sub-panels are too few it takes fewer tokens.
    private func launchPanels(_ product: MatmulProduct) throws {
        let tuning = tuning.matmul
        let subpanels = ceilDivide(product.columns, product.isGated ? 16 : 32)
        let itemSubpanels = min(tuning.panelColumns / 32, max(1, subpanels / (device.computeUnitCount * 2)))
        let itemCount = ceilDivide(subpanels, itemSubpanels)
        let tokenItems = max(
            ceilDivide(product.tokens, tuning.panelTokens),
            min(ceilDivide(device.computeUnitCount * 2, itemCount), product.tokens / 64))
        let itemTokens = ceilDivide(product.tokens, tokenItems * 8) * 8
        // The sums so far need room only where the features do not fit one panel.
        let needsPartials = product.weight.columns > tuning.panelInputs
        let partialByteCount = needsPartials ? itemTokens * tuning.panelColumns * MemoryLayout<Float>.size : 64
        try launch(
            MatmulKernels.tiled(product.weight.format, variant: .registers),
            LaunchRange((itemCount, ceilDivide(product.tokens, itemTokens)), local: (1, 1)), product,
            UInt32(itemSubpanels), UInt32(itemTokens), LocalMemory(byteCount: tuning.panelByteCount),
            LocalMemory(byteCount: partialByteCount))
    }

    private func launchRows(_ product: MatmulProduct) throws {
        let groupSize = tuning.matmul.rowsColumns * tuning.matmul.rowsLanes
        let groups = ceilDivide(product.columns, tuning.matmul.rowsColumns)
        try launch(
            MatmulKernels.streaming(product.weight.format, tokens: product.tokens, variant: .groups),
            LaunchRange(groups * groupSize, local: groupSize), product)
    }

    private func launchTiles(_ product: MatmulProduct) throws {
        let groups = ceilDivide(product.columns, product.isGated ? 32 : 64)
        try launch(
            MatmulKernels.tiled(product.weight.format, variant: .groups),
            LaunchRange((groups * 256, ceilDivide(product.tokens, 64)), local: (256, 1)), product)
    }

    private func launch<each Extra: KernelArgument>(
        _ descriptor: KernelDescriptor, _ range: LaunchRange, _ product: MatmulProduct, _ extra: repeat each Extra
    ) throws {
        let (weight, epilogue) = (product.weight, product.epilogue)
        let parts = weight.regions
        let last = parts[parts.count - 1]
        let middle = parts.count > 2 ? parts[1] : last
        let firstEnd = parts[0].rows
        try launch(
            descriptor, range, product.x, product.x.stride32, parts[0].region(weight.format),
            middle.region(weight.format), last.region(weight.format), weight.scalesRegion, UInt32(firstEnd),
            UInt32(parts.count > 2 ? firstEnd + middle.rows : firstEnd), epilogue.bias, epilogue.residual,
            epilogue.residual.stride32, product.output, product.output.stride32, UInt32(product.tokens),
            UInt32(weight.columns), UInt32(weight.rows), product.flags, repeat each extra, cost: product.cost)
    }
}

func ceilDivide(_ value: Int, _ divisor: Int) -> Int { (value + divisor - 1) / divisor }

/// One matrix product, its shapes checked and its numbers as the kernels take them.
private struct MatmulProduct {
    let x: Tensor
    let weight: OpenCLWeight
    let output: Tensor
    let epilogue: MatmulEpilogue

    var isGated: Bool { epilogue.isGated }
    var tokens: Int { x.rows }
    var columns: Int { isGated ? weight.rows / 2 : weight.rows }

    /// EPILOGUE_ in matmul_common.cl.
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

    func check() throws {
        let checks = ShapeChecks(op: "matmul")
        try checks.require(
            weight.columns > 0 && weight.columns <= Int(Int32.max) && weight.rows <= Int(Int32.max),
            "weight \(weight.name) of [\(weight.rows), \(weight.columns)] has a size that kernels do not take")
        try checks.require(
            !isGated || weight.rows % 2 == 0, "gated weight \(weight.name) has an odd number of rows, \(weight.rows)")
        try checks.matrix(x, "x", rows: x.rows, columns: weight.columns)
        try checks.matrix(output, "output", rows: tokens, columns: columns)
        try checks.vector(epilogue.bias, "bias", count: weight.rows)
        try checks.matrix(epilogue.residual, "residual", rows: tokens, columns: columns)
    }
}
