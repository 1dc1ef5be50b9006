public import TensorCore

extension ProgramDescriptor {
    fileprivate static let gather = ProgramDescriptor("gather", sources: ["embedding/gather_rows.cl"])
    fileprivate static func embedding(_ format: WeightFormat) -> ProgramDescriptor {
        ProgramDescriptor("embedding", sources: ["common/blocks.cl", "embedding/embedding.cl"], format: format)
    }
}

extension KernelDescriptor {
    private static let embeddingArguments: [ArgumentKind] = [
        .tensor, .tensor, .optionalTensor, .tensor, .uint32, .uint32, .uint32, .uint32, .uint32, .uint32,
        .float,
    ]
    fileprivate static let embedding = KernelTable<WeightFormat> { format in
        KernelDescriptor(.embedding(format), "embedding_\(format.kernelSuffix)", embeddingArguments)
    }
    static let gatherRows = KernelDescriptor(
        .gather, "gather_rows_f32", [.tensor, .tensor, .tensor, .uint32, .uint32, .uint32, .uint32])
}

extension OpenCLBackend {
    public func embed(
        _ ids: Tensor, _ table: any Weight, scale: Float, accumulate: Bool, into output: Tensor
    ) throws {
        let weight = own(table)
        let tokens = ids.shape.elementCount
        try ArgumentChecks(op: "embed").embed(ids, weight, scale: scale, output: output)
        guard weight.prepareLookups() else {
            throw BackendError.unsupported(
                op: "embed", reason: "\(weight.name) was packed for products, and its rows were not kept")
        }
        let rowByteCount = weight.format.rowByteCount(columns: weight.columns) ?? 0
        let cost = LaunchCost(
            bytes: tokens * rowByteCount + output.byteCount, flops: accumulate ? output.shape.elementCount : 0)
        var start = 0
        for part in weight.parts {
            try launch(
                KernelDescriptor.embedding[weight.format], vectorItems(columns: weight.columns, rows: tokens), ids,
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
