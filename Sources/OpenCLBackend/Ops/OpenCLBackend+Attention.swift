public import TensorCore

extension OpenCLBackend {
    public func attention(
        query: Tensor, cache: KVCacheLayer, batch: AttentionBatch, parameters: AttentionParameters,
        into output: Tensor
    ) throws {
        let call = AttentionArguments(query: query, cache: cache, batch: batch, parameters: parameters, output: output)
        try call.validate(capabilities)
        if batch.tokenCount == 0 || batch.sequenceCount == 0 { return }
        if batch.maxQueryCount <= tuning.attention.maxDecodeQueries {
            try launchDecode(call)
        } else {
            try launchPrefill(call)
        }
    }

    private func launchPrefill(_ call: AttentionArguments) throws {
        let isRegisters = tuning.attention.variant == .registers
        let rows = isRegisters ? tuning.attention.registerRows(headSize: call.headSize) : 16
        let tileHeads = min(call.group, rows)
        let groupSize = isRegisters ? 1 : 128
        let groups = call.cache.headCount * ceilDivide(call.group, tileHeads)
        func tiles(_ tileQueries: Int) -> Int { ceilDivide(call.batch.maxQueryCount, tileQueries) }
        // Smaller tiles where there are too few to keep every compute unit busy.
        var tileQueries = rows / tileHeads
        let wanted = device.computeUnitCount * 4
        while tileQueries * tileHeads > 16, groups * call.batch.sequenceCount * tiles(tileQueries) < wanted {
            tileQueries = ceilDivide(tileQueries, 2)
        }
        try launch(
            call.kernel(isRegisters ? AttentionKernels.prefill : AttentionKernels.prefillGroup),
            LaunchRange(
                (groups * groupSize, tiles(tileQueries), call.batch.sequenceCount), local: (groupSize, 1, 1)),
            call, UInt32(tileQueries), UInt32(tileHeads))
    }

    /// - Parameter store: the keys and values that the kernel of the `registers` variant stores first; `nil`: nothing.
    func launchDecode(_ call: AttentionArguments, storing store: StoreArguments? = nil) throws {
        let plan = try splitPlan(call)
        let isRegisters = tuning.attention.variant == .registers
        let groupSize = isRegisters ? 1 : tuning.attention.decodeGroupSize
        let groups =
            isRegisters
            ? call.cache.headCount * ceilDivide(call.group, tuning.attention.decodeHeads) : call.parameters.headCount
        let range = LaunchRange((groups * groupSize, call.batch.tokenCount, plan.splits), local: (groupSize, 1, 1))
        let (splitTokens, splits) = (UInt32(plan.splitTokens), UInt32(plan.splits))
        if let store {
            try launch(
                call.kernel(AttentionKernels.storeDecode), range, call, plan.sums, plan.weights, splitTokens, splits,
                store.key, store.key.stride32, store.value, store.value.stride32, store.rope?.table,
                store.rope?.positions, UInt32(store.rope?.rotarySize ?? 0), store.rope?.layout.kernelCode ?? 0)
        } else {
            try launch(
                call.kernel(isRegisters ? AttentionKernels.decode : AttentionKernels.decodeGroup), range, call,
                plan.sums, plan.weights, splitTokens, splits)
        }
        guard let sums = plan.sums, let weights = plan.weights else { return }
        let itemElements = isRegisters ? call.headSize : 1
        let items = ceilDivide(call.query.columns, itemElements)
        let partialCount = call.batch.tokenCount * call.parameters.headCount * plan.splits
        try launch(
            AttentionKernels.merge,
            LaunchRange((items, call.batch.tokenCount), local: (isRegisters ? 1 : tuning.attention.decodeGroupSize, 1)),
            sums, weights, call.output, call.output.stride32, UInt32(plan.splits),
            UInt32(call.parameters.headCount), UInt32(call.headSize), UInt32(itemElements),
            cost: LaunchCost(
                bytes: partialCount * (call.headSize + 2) * MemoryLayout<Float>.size + call.output.byteCount,
                flops: 2 * partialCount * call.headSize))
    }

    private func launch<each Extra: KernelArgument>(
        _ descriptor: KernelDescriptor, _ range: LaunchRange, _ call: AttentionArguments, _ extra: repeat each Extra
    ) throws {
        let (batch, parameters) = (call.batch, call.parameters)
        try launch(
            descriptor, range, call.query, call.query.stride32, call.cache.keys, call.cache.values,
            call.cache.keyScales, call.cache.valueScales, batch.queryOffsets, batch.contextLengths, batch.blockTables,
            batch.blockTables.stride32, call.output,
            call.output.stride32, UInt32(batch.sequenceCount), UInt32(parameters.headCount),
            UInt32(call.cache.headCount), UInt32(call.cache.blockSizeInTokens),
            Int32(clamping: parameters.slidingWindow ?? .max), parameters.scale, parameters.softCap ?? 0,
            repeat each extra, cost: call.cost)
    }
}

extension AttentionArguments {
    func kernel(_ table: KernelTable<AttentionKernels.Key>) -> KernelDescriptor {
        table[.init(dtype: cache.dtype, headSize: headSize)]
    }

    /// The profile counts as if every sequence had the longest context and its share of the queries, since the lengths
    /// are on the device.
    var cost: LaunchCost {
        let context = batch.sequenceCount * batch.maxContextLength * cache.headCount
        let seen = batch.tokenCount * max(batch.maxContextLength - batch.maxQueryCount / 2, 1)
        return LaunchCost(
            bytes: 2 * context * cache.rowByteCount + query.byteCount + output.byteCount,
            flops: 4 * seen * parameters.headCount * headSize)
    }
}
