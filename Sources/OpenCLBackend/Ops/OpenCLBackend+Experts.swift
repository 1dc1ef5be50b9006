public import TensorCore

/// The matrices of all experts as one weight: the first parts of all experts one below the other, then the second
/// parts.
final class OpenCLExperts: IndexedWeights {
    let weight: OpenCLWeight
    let count: Int
    /// Rows of one part of an expert.
    let partRows: Int
    let partCount: Int

    init(_ weight: OpenCLWeight, count: Int, partRows: Int, partCount: Int) {
        self.weight = weight
        self.count = count
        self.partRows = partRows
        self.partCount = partCount
    }

    var name: String { weight.name }
    var format: WeightFormat { weight.format }
    var rows: Int { partRows * partCount }
    var columns: Int { weight.columns }
}

extension ProgramDescriptor {
    static let experts = ProgramDescriptor("experts", sources: ["experts/combine_experts.cl"])
    static let groupRows = ProgramDescriptor("group_rows", sources: ["experts/group_rows.cl"])
}

extension KernelDescriptor {
    static let combineExperts = KernelDescriptor(
        .experts, "combine_experts_f32",
        [
            .tensor, .tensor, .optionalTensor, .tensor, .uint32, .uint32, .uint32, .uint32, .uint32, .uint32,
        ], isChained: true)

    private static let groupArguments: [ArgumentKind] = [.tensor, .tensor, .uint32, .uint32]
    /// On CPU devices.
    static let groupRows = KernelDescriptor(.groupRows, "group_rows", groupArguments)
    /// On GPUs.
    static let groupRowsTogether = KernelDescriptor(.groupRows, "group_rows", groupArguments + [.local, .local])
}

extension OpenCLBackend {
    /// Rows of more experts are not grouped.
    private static let maxGroupedExperts = 1024

    public func prepareIndexed(
        _ experts: [WeightSource], precision: MatmulPrecision
    ) throws -> any IndexedWeights {
        let shapes = Set(experts.map { [$0.columns] + $0.parts.map(\.rows) })
        precondition(
            shapes.count == 1 && Set(experts.map(\.format)).count == 1, "experts of different shapes or formats")
        let partRows = experts[0].parts[0].rows
        precondition(experts[0].parts.allSatisfy { $0.rows == partRows }, "an expert's parts differ in rows")
        let partCount = experts[0].parts.count
        let parts = (0..<partCount).flatMap { part in experts.map { $0.parts[part] } }
        let source = WeightSource(
            name: experts[0].name, format: experts[0].format, columns: experts[0].columns,
            parts: WeightPart.joined(parts))
        return OpenCLExperts(
            own(try prepare(source, precision: precision)), count: experts.count, partRows: partRows,
            partCount: partCount)
    }

    public func matmulIndexed(
        _ x: Tensor, _ experts: any IndexedWeights, indices: Tensor, activation: Activation?, isGated: Bool,
        into output: Tensor
    ) throws {
        guard let experts = experts as? OpenCLExperts else {
            preconditionFailure("experts \(experts.name) of another backend were given to the OpenCL backend")
        }
        let arguments = IndexedMatmulArguments(
            x: x, weights: experts, indices: indices, isGated: isGated, output: output)
        try arguments.validate()
        let weight = experts.weight
        let checks = ArgumentChecks(op: "matmulIndexed")
        try checks.require(
            experts.partCount == (isGated ? 2 : 1),
            "experts of \(experts.partCount) parts; a gated product takes two, another one")
        try checks.require(
            weight.rows <= Int(Int32.max) && weight.columns <= Int(Int32.max) && weight.columns > 0,
            "experts \(weight.name) of [\(weight.rows), \(weight.columns)] have a size that kernels do not take")
        if arguments.count == 0 || arguments.columns == 0 { return }
        let (buffer, offset) = indices.place
        var product = MatmulProduct(
            x: x, weight: weight, output: output,
            epilogue: MatmulEpilogue(activation: activation, isGated: isGated),
            experts: ExpertChoices(
                count: experts.count, repeats: arguments.count / x.rows,
                choices: BufferRegion(buffer: buffer, elementOffset: offset)))
        if let groups = try groupRows(of: product, indices) {
            product.experts?.choices = groups
            product.experts?.isGrouped = true
        }
        try multiply(product)
    }

    /// The rows in the order of their experts, where there are enough of each expert; `nil`: each row reads its own, as
    /// where there is no room for the order or for quantised rows.
    private func groupRows(of product: MatmulProduct, _ indices: Tensor) throws -> BufferRegion? {
        guard let count = product.experts?.count, count <= Self.maxGroupedExperts,
            product.tokens >= count * tuning.matmul.minRowsPerExpert,
            let expertGroups, groupByteCount(rows: product.tokens, experts: count) <= expertGroups.byteCount,
            product.weight.quantisation == nil || hasRoomToQuantise(product)
        else { return nil }
        let groups = BufferRegion(buffer: expertGroups, elementOffset: 0)
        let (rows, experts) = (UInt32(product.tokens), UInt32(count))
        let cost = LaunchCost(bytes: 8 * product.tokens, flops: 0)
        switch tuning.matmul.variant {
        case .registers:
            try launch(.groupRows, LaunchRange(1, local: 1), indices, groups, rows, experts, cost: cost)
        case .groups:
            let size = min(256, device.maxWorkGroupSize)
            let counts = LocalMemory(byteCount: count * MemoryLayout<UInt32>.size)
            try launch(
                .groupRowsTogether, LaunchRange(size, local: size), indices, groups, rows, experts, counts, counts,
                cost: cost)
        }
        return groups
    }

    private func groupByteCount(rows: Int, experts: Int) -> Int { (rows + experts + 1) * MemoryLayout<UInt32>.size }

    /// Allocates room for the order of as many rows as were announced.
    func reserveExpertGroups(_ limits: ExecutionLimits) throws {
        guard limits.expertsPerToken > 0 else { return }
        let rows = limits.tokenCount * limits.expertsPerToken
        expertGroups = try grown(expertGroups, to: groupByteCount(rows: rows, experts: Self.maxGroupedExperts))
    }

    public func combineExperts(_ x: Tensor, weights: Tensor, residual: Tensor?, into output: Tensor) throws {
        try ArgumentChecks(op: "combineExperts").combineExperts(x, weights: weights, residual: residual, output: output)
        try launch(
            .combineExperts, vectorItems(columns: output.columns, rows: output.rows), x, weights, residual, output,
            UInt32(output.rows), UInt32(weights.columns), UInt32(output.columns), x.stride32, residual.stride32,
            output.stride32,
            cost: LaunchCost(bytes: x.byteCount + 2 * output.byteCount, flops: 2 * x.shape.elementCount))
    }
}
