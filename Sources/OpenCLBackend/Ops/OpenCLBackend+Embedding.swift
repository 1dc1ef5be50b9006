public import TensorCore

extension ProgramDescriptor {
    static let embedding = ProgramDescriptor(
        "embedding", sources: ["embedding/embedding.cl", "embedding/gather_rows.cl"])
    static let blockEmbedding = ProgramDescriptor(
        "block_embedding", sources: ["common/blocks.cl", "embedding/embedding.cl"])
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
    private static let embeddingBlocks: [WeightFormat: KernelDescriptor] = Dictionary(
        uniqueKeysWithValues: WeightFormat.allCases.filter { $0.blockSize > 1 }.map {
            ($0, KernelDescriptor(.blockEmbedding, "embedding_\($0.rawValue)", embeddingArguments))
        })
    static let gatherRows = KernelDescriptor(
        .embedding, "gather_rows_f32", [.tensor, .tensor, .tensor, .uint32, .uint32, .uint32, .uint32])

    private static func found(_ kernel: KernelDescriptor?) -> KernelDescriptor {
        guard let kernel else { preconditionFailure("a weight format has no embedding kernel") }
        return kernel
    }

    fileprivate static func embedding(_ format: WeightFormat) -> KernelDescriptor {
        switch format {
        case .float32: embeddingF32
        case .float16: embeddingF16
        case .bfloat16: embeddingBF16
        case .int8: embeddingI8
        default: found(embeddingBlocks[format])
        }
    }
}

extension OpenCLBackend {
    public func embed(
        _ ids: Tensor, _ table: any Weight, scale: Float, accumulate: Bool, into output: Tensor
    ) throws {
        let weight = own(table)
        let tokens = ids.shape.elementCount
        let checks = ShapeChecks(op: "embed")
        try checks.vector(ids, "ids", count: tokens, dtype: .int32)
        try checks.matrix(output, "output", rows: tokens, columns: weight.columns)
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
        let checks = ShapeChecks(op: "gatherRows")
        try checks.matrix(x, "x", rows: x.rows, columns: x.columns)
        try checks.vector(rows, "rows", count: count, dtype: .int32)
        try checks.matrix(output, "output", rows: count, columns: x.columns)
        try launch(
            .gatherRows, vectorItems(columns: x.columns, rows: count), x, rows, output, UInt32(count),
            UInt32(x.columns), x.stride32, output.stride32, cost: LaunchCost(bytes: 2 * output.byteCount, flops: 0))
    }
}
