public import TensorCore

extension OpenCLBackend {
    public func matmul(
        _ x: Tensor, _ weight: any Weight, into output: Tensor, epilogue: MatmulEpilogue
    ) throws {
        let product = MatmulProduct(x: x, weight: own(weight), output: output, epilogue: epilogue)
        try MatmulArguments(x: x, weight: product.weight, output: output, epilogue: epilogue).validate()
        if product.tokens == 0 || product.columns == 0 { return }
        try multiply(product)
    }

    /// Launches the kernels that suit the product's weight and number of tokens.
    func multiply(_ product: MatmulProduct) throws {
        if try launchQuantised(product) { return }
        guard !product.weight.parts.isEmpty else {
            throw BackendError.unsupported(
                op: "matmul",
                reason: "\(product.weight.name) was packed in blocks of rows, which this product does not read")
        }
        switch (tuning.matmul.variant, streams(product, atMost: min(tuning.matmul.maxVectorTokens, 8))) {
        case (.registers, true): try launchVector(product)
        case (.registers, false):
            let kernel = MatmulKernels.tiled(product, variant: .registers)
            try launchPanels(product, kernel, tuning.matmul.panel, x: product.x, xStride: product.x.stride32)
        case (.groups, true): try launchRows(product)
        case (.groups, false): try launchTiles(product)
        }
    }

    /// Whether a product streams its weight: with few tokens, or rows of experts that are not grouped.
    private func streams(_ product: MatmulProduct, atMost tokens: Int) -> Bool {
        product.experts.map { !$0.isGrouped } ?? (product.tokens <= tokens)
    }

    /// Launches a product with quantised activations where its weight asks for one and it is faster.
    private func launchQuantised(_ product: MatmulProduct) throws -> Bool {
        guard let quantisation = product.weight.quantisation else { return false }
        let key = MatmulKernels.QuantisedKey(
            format: product.weight.format, selection: product.selection, quantisation: quantisation)
        switch quantisation {
        case .bfloat16:
            guard !streams(product, atMost: tuning.matmul.minBFloat16Tokens - 1) else { return false }
            return try launchQuantisedPanels(
                product, key, tuning.matmul.bfloat16Panel, quantisedStride: ceilDivide(product.weight.columns, 32) * 16)
        case .int8:
            return try launchInt8(product, key)
        }
    }

    /// Multiplies blocks of rows; where the weight has none, or gated halves or experts share one, nothing is launched.
    private func launchInt8(_ product: MatmulProduct, _ key: MatmulKernels.QuantisedKey) throws -> Bool {
        let isWhole = !product.isGated && product.experts == nil
        guard isWhole || product.columns % RowBlockLayout.rowCount == 0 else { return false }
        let compiled = MatmulKernels.compiledTokens(product)
        let quantisedByteCount = ceilDivide(product.weight.columns, 64) * 64 * 3 / 2
        guard streams(product, atMost: tuning.matmul.maxInt8GEMVTokens),
            compiled * quantisedByteCount <= device.localMemoryByteCount / 8 * 7
        else {
            if let experts = product.experts, !experts.isGrouped { return false }
            return try launchQuantisedPanels(
                product, key, tuning.matmul.int8Panel, quantisedStride: quantisedByteCount / 4)
        }
        guard let blocks = try rowBlocks(of: product.weight) else { return false }
        let itemColumns = vectorItemColumns(product)
        var key = key
        key.tokens = compiled
        try launch(
            MatmulKernels.quantisedVector[key], vectorRange(product, itemColumns: itemColumns), product, blocks: blocks,
            x: product.x, xStride: product.x.stride32, UInt32(itemColumns),
            LocalMemory(byteCount: compiled * quantisedByteCount))
        return true
    }

    /// Quantises the activations and multiplies them; nothing is launched where the weight has no blocks of rows and needs
    /// them.
    private func launchQuantisedPanels(
        _ product: MatmulProduct, _ key: MatmulKernels.QuantisedKey, _ panel: PanelTuning, quantisedStride: Int
    ) throws -> Bool {
        let quantised = try quantised(tokens: product.tokens, inputs: product.weight.columns)
        var blocks: OpenCLBuffer?
        if case .int8 = key.quantisation {
            blocks = try rowBlocks(of: product.weight)
            if blocks == nil { return false }
        }
        try launchQuantise(product, key, into: quantised)
        try launchPanels(
            product, MatmulKernels.quantisedPanel[key], panel, blocks: blocks, x: quantised,
            xStride: UInt32(quantisedStride))
        return true
    }

    private func launchQuantise(
        _ product: MatmulProduct, _ key: MatmulKernels.QuantisedKey, into quantised: BufferRegion
    ) throws {
        let (kernel, x, inputs) = (MatmulKernels.quantise[key], product.x, UInt32(product.weight.columns))
        let cost = LaunchCost(bytes: x.byteCount * 3 / 2, flops: product.tokens * product.weight.columns)
        switch key.quantisation {
        case .bfloat16:
            try launch(kernel, LaunchRange(x.rows, local: 1), x, x.stride32, quantised, inputs, cost: cost)
        case .int8:
            let range = LaunchRange(ceilDivide(product.tokens, MatmulKernels.int8TileTokens), local: 1)
            let tokens = UInt32(product.tokens)
            guard let experts = product.experts else {
                return try launch(kernel, range, x, x.stride32, quantised, inputs, tokens, cost: cost)
            }
            try launch(
                kernel, range, x, x.stride32, quantised, inputs, tokens, experts.choices, UInt32(experts.repeats),
                UInt32(experts.count), cost: cost)
        }
    }

    private func launchVector(_ product: MatmulProduct) throws {
        let itemColumns = vectorItemColumns(product)
        try launch(
            MatmulKernels.streaming(product, variant: .registers), vectorRange(product, itemColumns: itemColumns),
            product, x: product.x, xStride: product.x.stride32, UInt32(itemColumns))
    }

    private func vectorRange(_ product: MatmulProduct, itemColumns: Int) -> LaunchRange {
        let items = ceilDivide(product.columns, itemColumns)
        return product.experts == nil
            ? LaunchRange(items, local: 1) : LaunchRange((items, product.tokens), local: (1, 1))
    }

    /// Output columns of a work-item of the streaming kernel.
    private func vectorItemColumns(_ product: MatmulProduct) -> Int {
        let matmul = tuning.matmul
        let fewest = device.computeUnitCount * matmul.itemsPerUnit
        let items =
            product.experts == nil
            ? max(fewest, product.matrixByteCount / matmul.itemByteCount)
            // Each item of an expert quantises its row, which large ones make up for.
            : max(ceilDivide(fewest, product.tokens), product.matrixByteCount / matmul.expertItemByteCount)
        return ceilDivide(product.columns, items * 16) * 16
    }

    /// A work-item takes whole panels where there are enough for all compute units, and smaller ones where there are not;
    /// where even single sub-panels are too few it takes fewer tokens. Of experts it takes all tokens, a part at a time.
    private func launchPanels(
        _ product: MatmulProduct, _ kernel: KernelDescriptor, _ panel: PanelTuning, blocks: OpenCLBuffer? = nil,
        x: some BufferArgument, xStride: UInt32
    ) throws {
        let subpanels = ceilDivide(product.columns, product.isGated ? 16 : 32)
        let itemSubpanels = min(panel.columns / 32, max(1, subpanels / (device.computeUnitCount * 2)))
        let itemCount = ceilDivide(subpanels, itemSubpanels)
        let tokenItems = max(
            ceilDivide(product.tokens, panel.tokens),
            product.experts == nil
                ? min(ceilDivide(device.computeUnitCount * 2, itemCount), product.tokens / 64) : 0)
        let itemTokens = ceilDivide(product.tokens, tokenItems * 8) * 8
        // The partial sums need room only where the features do not fit one panel; an expert's first tile may begin with
        // another's tokens.
        let needsPartials = product.weight.columns > panel.inputs
        let partialTokens = itemTokens + (product.experts == nil ? 0 : 8)
        let partialByteCount = needsPartials ? partialTokens * panel.columns * MemoryLayout<Float>.size : 64
        let tokenRange = product.experts?.count ?? ceilDivide(product.tokens, itemTokens)
        try launch(
            kernel, LaunchRange((itemCount, tokenRange), local: (1, 1)), product,
            blocks: blocks, x: x, xStride: xStride, UInt32(itemSubpanels), UInt32(itemTokens),
            LocalMemory(byteCount: panel.byteCount), LocalMemory(byteCount: partialByteCount))
    }

    private func launchRows(_ product: MatmulProduct) throws {
        let groupSize = tuning.matmul.rowsColumns * tuning.matmul.rowsLanes
        let groups = ceilDivide(product.columns, tuning.matmul.rowsColumns)
        let range =
            product.experts == nil
            ? LaunchRange(groups * groupSize, local: groupSize)
            : LaunchRange((groups * groupSize, product.tokens), local: (groupSize, 1))
        try launch(
            MatmulKernels.streaming(product, variant: .groups), range, product, x: product.x,
            xStride: product.x.stride32)
    }

    private func launchTiles(_ product: MatmulProduct) throws {
        let groups = ceilDivide(product.columns, product.isGated ? 32 : 64)
        let tokenRange = product.experts?.count ?? ceilDivide(product.tokens, 64)
        try launch(
            MatmulKernels.tiled(product, variant: .groups),
            LaunchRange((groups * 256, tokenRange), local: (256, 1)), product, x: product.x,
            xStride: product.x.stride32)
    }

    /// Launches a kernel of this product, which reads the rows as they came or in blocks.
    private func launch<each Extra: KernelArgument>(
        _ descriptor: KernelDescriptor, _ range: LaunchRange, _ product: MatmulProduct, blocks: OpenCLBuffer? = nil,
        x: some BufferArgument, xStride: UInt32, _ extra: repeat each Extra
    ) throws {
        guard let experts = product.experts else {
            return try launchProduct(
                descriptor, range, product, blocks: blocks, x: x, xStride: xStride, repeat each extra)
        }
        try launchProduct(
            descriptor, range, product, blocks: blocks, x: x, xStride: xStride, experts.choices,
            UInt32(experts.repeats), UInt32(experts.count), repeat each extra)
    }

    private func launchProduct<each Extra: KernelArgument>(
        _ descriptor: KernelDescriptor, _ range: LaunchRange, _ product: MatmulProduct, blocks: OpenCLBuffer?,
        x: some BufferArgument, xStride: UInt32, _ extra: repeat each Extra
    ) throws {
        let (weight, epilogue) = (product.weight, product.epilogue)
        let regions = blocks.map(weight.regions(of:)) ?? weight.rowRegions
        try launch(
            descriptor, range, x, xStride, regions.first, regions.second, regions.third, weight.scalesRegion,
            regions.firstEnd, regions.secondEnd, epilogue.bias, epilogue.residual, epilogue.residual.stride32,
            product.output, product.output.stride32, UInt32(product.tokens), UInt32(weight.columns),
            UInt32(weight.rows), product.flags, repeat each extra, cost: product.cost)
    }
}

func ceilDivide(_ value: Int, _ divisor: Int) -> Int { (value + divisor - 1) / divisor }
