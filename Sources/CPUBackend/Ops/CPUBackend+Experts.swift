internal import CPUKernels
internal import Glibc
public import TensorCore

/// One weight an expert.
final class CPUExperts: IndexedWeights {
    let experts: [any Weight]
    /// The matrices as the product of low ranks reads them; `nil`: it does not take them.
    let lowRank: LowRankMatrices?

    /// - Precondition: at least one expert, all of one shape.
    init(_ experts: [any Weight], lowRank: LowRankMatrices? = nil) {
        let shapes = Set(experts.map { [$0.rows, $0.columns] })
        precondition(shapes.count == 1, "experts of \(shapes.count) shapes")
        self.experts = experts
        self.lowRank = lowRank
    }

    var name: String { experts[0].name }
    var format: WeightFormat { experts[0].format }
    var count: Int { experts.count }
    var rows: Int { experts[0].rows }
    var columns: Int { experts[0].columns }
}

extension CPUBackend {
    public func prepareIndexed(
        _ experts: [WeightSource], precision: MatmulPrecision
    ) throws -> any IndexedWeights {
        CPUExperts(
            try experts.map { try prepare($0, precision: precision) }, lowRank: LowRankMatrices(experts))
    }

    /// Expert by expert: the rows of one are gathered, so that its weight is read once for all of them.
    public func matmulIndexed(
        _ x: Tensor, _ experts: any IndexedWeights, indices: Tensor, activation: Activation?, isGated: Bool,
        into output: Tensor
    ) throws {
        let op = "matmulIndexed"
        let experts = Check.experts(experts)
        let arguments = IndexedMatmulArguments(
            x: x, weights: experts, indices: indices, isGated: isGated, output: output)
        try arguments.validate()
        let count = arguments.count
        let checks = ArgumentChecks(op: op)
        try checks.limit(indices.rows, "T", maximum: limits?.tokenCount ?? 0)
        try checks.limit(
            max(experts.columns, arguments.columns), "features", maximum: limits?.expertFeatureCount ?? 0)
        if count == 0 { return }
        let values = UnsafeBufferPointer(start: indices.int32s, count: count)
        if let bad = values.firstIndex(where: { !(0..<Int32(experts.count)).contains($0) }) {
            throw BackendError.invalidArgument(
                op: op, reason: "index \(bad) is \(values[bad]), not in 0..<\(experts.count)")
        }
        guard let scratch = expertScratch else { return }
        let product = ExpertProduct(
            x: x, indices: values, output: output,
            epilogue: MatmulEpilogue(activation: activation, isGated: isGated), scratch: scratch)
        for (index, expert) in experts.experts.enumerated() { try multiply(product, Int32(index), by: expert) }
    }

    /// The rows of one expert, as many at a time as there is room to gather.
    private func multiply(_ product: ExpertProduct, _ index: Int32, by expert: any Weight) throws {
        var next = 0
        while next < product.indices.count {
            let begin = next
            var count = 0
            while next < product.indices.count, count < product.scratch.rows {
                if product.indices[next] == index {
                    product.gather(next, as: count)
                    count += 1
                }
                next += 1
            }
            guard count > 0 else { return }
            try matmul(
                product.gathered(count), expert, into: product.products(count), epilogue: product.epilogue)
            var place = 0
            for row in begin..<next where product.indices[row] == index {
                product.scatter(place, to: row)
                place += 1
            }
        }
    }

    public func combineExperts(_ x: Tensor, weights: Tensor, residual: Tensor?, into output: Tensor) throws {
        try ArgumentChecks(op: "combineExperts").combineExperts(x, weights: weights, residual: residual, output: output)
        let tokens = output.rows
        launch(
            "combine_experts_f32", byteCount: x.byteCount + 2 * output.byteCount, flopCount: 2 * x.shape.elementCount
        ) {
            cpuk_combine_experts(
                context, x.floatRows, weights.floats, Int64(tokens), Int64(weights.columns), Int64(output.columns),
                residual.floatRows, output.floatRows)
        }
    }
}

/// One product of the experts: output row `r` comes of row `r / repeats` of `x`, times the weight of expert `indices[r]`.
private struct ExpertProduct {
    let x: Tensor
    let indices: UnsafeBufferPointer<Int32>
    let output: Tensor
    let epilogue: MatmulEpilogue
    let scratch: ExpertScratch

    func gathered(_ count: Int) -> Tensor {
        Tensor(buffer: scratch.input, dtype: .float32, shape: [count, x.columns])
    }

    func products(_ count: Int) -> Tensor {
        Tensor(buffer: scratch.output, dtype: .float32, shape: [count, output.columns])
    }

    func gather(_ row: Int, as place: Int) {
        let repeats = indices.count / x.rows
        memcpy(
            scratch.input.pointer + place * x.columns * MemoryLayout<Float>.size,
            x.hostPointer + row / repeats * x.rowStride * MemoryLayout<Float>.size,
            x.columns * MemoryLayout<Float>.size)
    }

    func scatter(_ place: Int, to row: Int) {
        memcpy(
            output.hostPointer + row * output.rowStride * MemoryLayout<Float>.size,
            scratch.output.pointer + place * output.columns * MemoryLayout<Float>.size,
            output.columns * MemoryLayout<Float>.size)
    }
}

/// Where the rows of one expert are gathered, and what comes of them.
struct ExpertScratch: Sendable {
    let input: CPUBuffer
    let output: CPUBuffer
    /// Rows of the widest product that fit.
    let rows: Int

    /// - Throws: `BackendError.outOfMemory`.
    init(_ limits: ExecutionLimits) throws {
        rows = limits.tokenCount
        let (count, overflow) = rows.multipliedReportingOverflow(by: limits.expertFeatureCount)
        let (byteCount, tooLarge) = count.multipliedReportingOverflow(by: MemoryLayout<Float>.size)
        guard !overflow, !tooLarge, let input = CPUBuffer(byteCount: byteCount),
            let output = CPUBuffer(byteCount: byteCount)
        else { throw BackendError.outOfMemory(requestedByteCount: tooLarge ? .max : byteCount, device: "CPU") }
        self.input = input
        self.output = output
    }
}
