public import TensorCore

extension ProgramDescriptor {
    static let embedding = ProgramDescriptor(
        "embedding", sources: ["embedding/embedding.cl", "embedding/gather_rows.cl"])
    fileprivate static func embedding(_ format: WeightFormat) -> ProgramDescriptor {
        ProgramDescriptor("block_embedding", sources: ["common/blocks.cl", "embedding/embedding.cl"], format: format)
    }
}

extension KernelDescriptor {
    private static let embeddingArguments: [ArgumentKind] = [
        .tensor, .tensor, .optionalTensor, .tensor, .uint32, .uint32, .uint32, .uint32, .uint32, .uint32,
        .float,
    ]
    static let embeddingF32 = KernelDescriptor(.embedding, "embedding_f32", embeddingArguments)
    static let embeddingF16 = KernelDescriptor(.embedding, "embedding_f16", embeddingArguments)
    static let embeddingBF16 = KernelDescriptor(.embedding, "embedding_bf16", embeddingArguments)
    static let embeddingI8 = KernelDescriptor(.embedding, "embedding_i8", embeddingArguments)
    private static let embeddingBlocks = KernelTable<WeightFormat> { format in
        KernelDescriptor(.embedding(format), "embedding_\(format.kernelSuffix)", embeddingArguments)
    }
    static let gatherRows = KernelDescriptor(
        .embedding, "gather_rows_f32", [.tensor, .tensor, .tensor, .uint32, .uint32, .uint32, .uint32])

    fileprivate static func embedding(_ format: WeightFormat) -> KernelDescriptor {
        switch format {
        case .float32: embeddingF32
        case .float16: embeddingF16
        case .bfloat16: embeddingBF16
        case .int8: embeddingI8
        default: embeddingBlocks[format]
        }
    }
}

extension OpenCLBackend {
    public func embed(
        _ ids: Tensor, _ table: any Weight, scale: Float, accumulate: Bool, into output: Tensor
    ) throws {
        let weight = own(table)
        let tokens = ids.shape.elementCount
        try ArgumentChecks(op: "embed").embed(ids, weight, scale: scale, output: output)
        let rowByteCount = weight.format.rowByteCount(columns: weight.columns) ?? 0
        let cost = LaunchCost(
            bytes: tokens * rowByteCount + output.byteCount, flops: accumulate ? output.shape.elementCount : 0)
        var start = 0
        for part in weight.parts {
            try launch(
                .embedding(weight.format), vectorItems(columns: weight.columns, rows: tokens), ids,
                part.region(weight.format), weight.scalesRegion, output, UInt32(tokens), UInt32(weight.columns),
                UInt32(clamping: start), UInt32(clamping: part.rows), output.stride32, UInt32(accumulate ? 1 : 0),
                scale, cost: cost)
            start += part.rows
        }
    }

    public func gatherRows(_ x: Tensor, rows: Tensor, into output: Tensor) throws {
        let count = rows.shape.elementCount
        try ArgumentChecks(op: "gatherRows").gatherRows(x, rows: rows, output: output)
        try launch(
            .gatherRows, vectorItems(columns: x.columns, rows: count), x, rows, output, UInt32(count),
            UInt32(x.columns), x.stride32, output.stride32, cost: LaunchCost(bytes: 2 * output.byteCount, flops: 0))
    }
}
