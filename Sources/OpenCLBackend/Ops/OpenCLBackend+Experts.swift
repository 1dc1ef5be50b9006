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
}

extension KernelDescriptor {
    static let combineExperts = KernelDescriptor(
        .experts, "combine_experts_f32",
        [
            .tensor, .tensor, .optionalTensor, .tensor, .uint32, .uint32, .uint32, .uint32, .uint32, .uint32,
        ])
}

extension OpenCLBackend {
    /// Products of experts take FP32 activations, whatever `precision` allows.
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
            own(try prepare(source, precision: .highest)), count: experts.count, partRows: partRows,
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
        let (count, columns, weight) = (arguments.count, arguments.columns, experts.weight)
        let checks = ArgumentChecks(op: "matmulIndexed")
        try checks.require(
            experts.partCount == (isGated ? 2 : 1),
            "experts of \(experts.partCount) parts; a gated product takes two, another one")
        try checks.require(
            weight.rows <= Int(Int32.max) && weight.columns <= Int(Int32.max) && weight.columns > 0,
            "experts \(weight.name) of [\(weight.rows), \(weight.columns)] have a size that kernels do not take")
        if count == 0 || columns == 0 { return }
        let flags = (isGated ? 4 : 0) | (activation?.kernelCode ?? 0) << 4
        let product = ExpertProduct(
            x: x, experts: experts, indices: indices, output: output, columns: columns, flags: flags)
        switch tuning.matmul.variant {
        case .registers:
            let items = max(1, device.computeUnitCount * tuning.matmul.itemsPerUnit / count)
            let itemColumns = ceilDivide(columns, items)
            try launch(
                ExpertKernels.vector(weight.format),
                LaunchRange((ceilDivide(columns, itemColumns), count), local: (1, 1)), product, UInt32(itemColumns))
        case .groups:
            let group = tuning.matmul.rowsColumns * tuning.matmul.rowsLanes
            let groups = ceilDivide(columns, tuning.matmul.rowsColumns)
            try launch(
                ExpertKernels.group(weight.format), LaunchRange((groups * group, count), local: (group, 1)), product)
        }
    }

    private func launch<each Extra: KernelArgument>(
        _ descriptor: KernelDescriptor, _ range: LaunchRange, _ product: ExpertProduct, _ extra: repeat each Extra
    ) throws {
        let (x, output, weight) = (product.x, product.output, product.experts.weight)
        let parts = weight.regions
        let last = parts[parts.count - 1]
        let middle = parts.count > 2 ? parts[1] : last
        let firstEnd = parts[0].rows
        try launch(
            descriptor, range, x, x.stride32, parts[0].region(weight.format), middle.region(weight.format),
            last.region(weight.format), weight.scalesRegion, UInt32(firstEnd),
            UInt32(parts.count > 2 ? firstEnd + middle.rows : firstEnd), product.indices, output, output.stride32,
            UInt32(output.rows), UInt32(output.rows / x.rows), UInt32(weight.columns), UInt32(product.columns),
            UInt32(product.experts.count * product.columns), product.flags, repeat each extra,
            cost: product.cost)
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

/// One product of experts, whose shapes are checked.
private struct ExpertProduct {
    let x: Tensor
    let experts: OpenCLExperts
    let indices: Tensor
    let output: Tensor
    /// Output columns of an expert.
    let columns: Int
    let flags: UInt32

    var cost: LaunchCost {
        let products = output.rows * experts.rows * experts.columns
        let rowByteCount = experts.format.rowByteCount(columns: experts.columns) ?? 0
        return LaunchCost(
            bytes: output.rows * experts.rows * rowByteCount + x.byteCount + output.byteCount, flops: 2 * products)
    }
}

/// The kernels of the experts' products, one program a weight format.
private enum ExpertKernels {
    private static let arguments: [ArgumentKind] = [
        .tensor, .uint32, .tensor, .tensor, .tensor, .optionalTensor, .uint32, .uint32, .tensor, .tensor, .uint32,
        .uint32, .uint32, .uint32, .uint32, .uint32, .uint32,
    ]

    private static let vectorKernels = kernels("vector", extra: [.uint32], MatmulKernels.cpuSources) { _ in [] }
    private static let groupKernels = kernels("group", extra: [], MatmulKernels.gpuSources) { tuning in
        [("EXPERT_COLUMNS", tuning.matmul.rowsColumns), ("EXPERT_LANES", tuning.matmul.rowsLanes)]
    }

    private static func kernels(
        _ variant: String, extra: [ArgumentKind], _ sources: [String],
        defines: @escaping @Sendable (Tuning) -> [(name: String, value: Int)]
    ) -> [WeightFormat: KernelDescriptor] {
        Dictionary(
            uniqueKeysWithValues: WeightFormat.allCases.map { format in
                let program = ProgramDescriptor(
                    "matmul_experts", sources: sources + ["experts/matmul_experts.cl"], format: format, defines: defines
                )
                let name = "matmul_experts_\(variant)_\(format.kernelSuffix)"
                return (format, KernelDescriptor(program, name, arguments + extra))
            })
    }

    static func vector(_ format: WeightFormat) -> KernelDescriptor { found(vectorKernels[format]) }
    static func group(_ format: WeightFormat) -> KernelDescriptor { found(groupKernels[format]) }

    private static func found(_ kernel: KernelDescriptor?) -> KernelDescriptor {
        guard let kernel else { preconditionFailure("a weight format has no kernel for experts") }
        return kernel
    }
}
