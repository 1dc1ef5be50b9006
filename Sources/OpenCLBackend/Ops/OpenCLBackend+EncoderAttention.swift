public import TensorCore

extension OpenCLBackend {
    public func encoderAttention(
        query: Tensor, key: Tensor, value: Tensor, batch: EncoderAttentionBatch,
        parameters: EncoderAttentionParameters, bias: RelativePositionBias?, into output: Tensor
    ) throws {
        let call = EncoderAttentionCall(
            query: query, key: key, value: value, batch: batch, parameters: parameters, bias: bias, output: output)
        let headSize = try call.checkedHeadSize()
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
            kernels[headSize - 1],
            LaunchRange(
                (parameters.headCount * groupSize, tiles(tileQueries), batch.sequenceCount), local: (groupSize, 1, 1)),
            query, query.stride32, key, key.stride32, value, value.stride32, batch.queryOffsets, batch.keyRanges,
            bias?.table, UInt32(bias?.reach ?? 0), output, output.stride32, parameters.scale,
            UInt32(parameters.isCausal ? 1 : 0), UInt32(tileQueries), cost: call.cost)
    }
}

/// The kernels of attention over plain rows, compiled for one head size.
enum EncoderAttentionKernels {
    /// Work-items of a group, and the queries it takes at most (encoder_attention_gpu.cl).
    static let groupSize = 128
    static let groupRows = 16

    private static let arguments: [ArgumentKind] = [
        .tensor, .uint32, .tensor, .uint32, .tensor, .uint32, .tensor, .tensor, .optionalTensor, .uint32, .tensor,
        .uint32, .float, .uint32, .uint32,
    ]

    private static func table(
        _ name: String, _ sources: [String],
        _ macros: @escaping @Sendable (AttentionTuning, _ headSize: Int) -> [(name: String, value: Int)]
    ) -> [KernelDescriptor] {
        (1...AttentionKernels.maxHeadSize).map { headSize in
            let program = ProgramDescriptor(name, sources: sources) { tuning in
                [("CACHE_F32", 1), ("HEAD_SIZE", headSize)] + macros(tuning.attention, headSize)
            }
            return KernelDescriptor(program, name + "_f32", arguments)
        }
    }

    /// By head size, from 1.
    static let registers = table(
        "encoder_attention",
        AttentionKernels.cpuTileSources
            + ["attention/encoder_attention_common.cl", "attention/encoder_attention_cpu.cl"]
    ) { tuning, headSize in
        [
            ("PREFILL_ROWS", tuning.registerRows(headSize: headSize)),
            ("PREFILL_POSITIONS", tuning.registerPositions(headSize: headSize)),
        ]
    }

    /// By head size, from 1.
    static let groups = table(
        "encoder_attention_group",
        ["attention/encoder_attention_common.cl", "attention/encoder_attention_gpu.cl"]
    ) { tuning, headSize in
        [("PREFILL_POSITIONS", tuning.groupPositions(headSize: headSize))]
    }
}

/// One attention over plain rows.
private struct EncoderAttentionCall {
    let query: Tensor
    let key: Tensor
    let value: Tensor
    let batch: EncoderAttentionBatch
    let parameters: EncoderAttentionParameters
    let bias: RelativePositionBias?
    let output: Tensor

    /// As if every sequence had the most keys: the ranges lie on the device.
    var cost: LaunchCost {
        LaunchCost(
            bytes: 2 * (query.byteCount + key.byteCount),
            flops: 4 * batch.tokenCount * batch.maxKeyCount * query.columns)
    }

    func checkedHeadSize() throws -> Int {
        let checks = ShapeChecks(op: "encoderAttention")
        let heads = parameters.headCount
        let isWhole = heads > 0 && query.columns % heads == 0
        try checks.require(
            isWhole && (1...AttentionKernels.maxHeadSize).contains(query.columns / heads),
            "\(query.columns) columns are no \(heads) heads of 1 to \(AttentionKernels.maxHeadSize) elements")
        try checks.matrix(query, "query", rows: batch.tokenCount, columns: query.columns)
        try checks.matrix(output, "output", rows: batch.tokenCount, columns: query.columns)
        try checks.matrix(key, "key", rows: key.rows, columns: query.columns)
        try checks.matrix(value, "value", rows: key.rows, columns: query.columns)
        let sequences = batch.sequenceCount
        try checks.vector(batch.queryOffsets, "queryOffsets", count: sequences + 1, dtype: .int32)
        try checks.vector(batch.keyRanges, "keyRanges", count: 2 * sequences, dtype: .int32)
        try checks.require(
            batch.maxQueryCount >= 0 && batch.maxQueryCount <= batch.tokenCount && batch.maxKeyCount <= key.rows,
            "a sequence of \(batch.maxQueryCount) queries and \(batch.maxKeyCount) keys in a batch of "
                + "\(batch.tokenCount) and \(key.rows)")
        if let table = bias?.table {
            try checks.vector(table, "bias", count: heads * table.columns)
            try checks.require(table.rows == heads, "the bias has shape \(table.shape), expected \(heads) heads")
        }
        return query.columns / heads
    }
}
