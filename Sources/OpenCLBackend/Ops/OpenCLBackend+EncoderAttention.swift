public import TensorCore

extension OpenCLBackend {
    public func encoderAttention(
        query: Tensor, key: Tensor, value: Tensor, batch: EncoderAttentionBatch,
        parameters: EncoderAttentionParameters, bias: RelativePositionBias?, relative: RelativeScores?,
        into output: Tensor
    ) throws {
        let call = EncoderAttentionArguments(
            query: query, key: key, value: value, batch: batch, parameters: parameters, bias: bias, relative: relative,
            output: output)
        try call.validate(capabilities)
        let headSize = call.headSize
        if batch.tokenCount == 0 || batch.sequenceCount == 0 { return }
        let isRegisters = tuning.attention.variant == .registers
        let groupSize = isRegisters ? 1 : EncoderAttentionKernels.groupSize
        let rows = isRegisters ? tuning.attention.registerRows(headSize: headSize) : EncoderAttentionKernels.groupRows
        func tiles(_ tileQueries: Int) -> Int { ceilDivide(batch.maxQueryCount, tileQueries) }
        // Smaller tiles where there are too few to keep every compute unit busy.
        var tileQueries = rows
        let wanted = device.computeUnitCount * 4
        while tileQueries > 16, parameters.headCount * batch.sequenceCount * tiles(tileQueries) < wanted {
            tileQueries = ceilDivide(tileQueries, 2)
        }
        let kernels = isRegisters ? EncoderAttentionKernels.registers : EncoderAttentionKernels.groups
        try launch(
            kernels[headSize],
            LaunchRange(
                (parameters.headCount * groupSize, tiles(tileQueries), batch.sequenceCount), local: (groupSize, 1, 1)),
            query, query.stride32, key, key.stride32, value, value.stride32, batch.queryOffsets, batch.keyRanges,
            bias?.table, UInt32(bias?.reach ?? 0), relative?.queries, relative?.queries?.stride32 ?? 0, relative?.keys,
            relative?.keys?.stride32 ?? 0, relative?.buckets, UInt32(relative?.reach ?? 0),
            UInt32(relative?.bucketCount ?? 0), output, output.stride32, parameters.scale,
            UInt32(parameters.isCausal ? 1 : 0), UInt32(tileQueries), cost: call.cost)
    }
}

/// The kernels of attention over plain rows, compiled for one head size.
enum EncoderAttentionKernels {
    /// Work-items of a group, and the queries it takes at most (encoder_attention_gpu.cl).
    static let groupSize = 128
    static let groupRows = 16

    private static let arguments: [ArgumentKind] = [
        .tensor, .uint32, .tensor, .uint32, .tensor, .uint32, .tensor, .tensor, .optionalTensor, .uint32,
        .optionalTensor, .uint32, .optionalTensor, .uint32, .optionalTensor, .uint32, .uint32, .tensor, .uint32, .float,
        .uint32, .uint32,
    ]

    private static func table(
        _ name: String, _ sources: [String],
        _ macros: @escaping @Sendable (AttentionTuning, _ headSize: Int) -> [(name: String, value: Int)]
    ) -> KernelTable<Int> {
        KernelTable { headSize in
            let program = ProgramDescriptor(name, sources: sources) { tuning in
                [("CACHE_F32", 1), ("HEAD_SIZE", headSize)] + macros(tuning.attention, headSize)
            }
            return KernelDescriptor(program, name + "_f32", arguments)
        }
    }

    /// Kernels by head size.
    static let registers = table(
        "encoder_attention",
        AttentionKernels.cpuTileSources
            + ["attention/encoder_attention_common.cl", "attention/encoder_attention_cpu.cl"]
    ) { tuning, headSize in
        [
            ("PREFILL_ROWS", tuning.registerRows(headSize: headSize)),
            ("PREFILL_POSITIONS", tuning.registerPositions(headSize: headSize)), ("TILE_ROWS", tuning.tileRows),
        ]
    }

    /// Kernels by head size.
    static let groups = table(
        "encoder_attention_group",
        [
            "attention/attention_common.cl", "attention/encoder_attention_common.cl",
            "attention/encoder_attention_gpu.cl",
        ]
    ) { tuning, headSize in
        [("PREFILL_POSITIONS", tuning.groupPositions(headSize: headSize))]
    }
}

extension EncoderAttentionArguments {
    /// The profile counts as if every sequence had the most keys, since the ranges are on the device.
    fileprivate var cost: LaunchCost {
        LaunchCost(
            bytes: 2 * (query.byteCount + key.byteCount),
            flops: 4 * batch.tokenCount * batch.maxKeyCount * query.columns)
    }
}
