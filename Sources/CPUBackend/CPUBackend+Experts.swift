internal import CPUKernels
internal import Glibc
public import TensorCore

/// One weight an expert.
final class CPUExperts: ExpertWeights {
    let experts: [any Weight]

    /// - Precondition: at least one expert, all of one shape.
    init(_ experts: [any Weight]) {
        let shapes = Set(experts.map { [$0.rows, $0.columns] })
        precondition(shapes.count == 1, "experts of \(shapes.count) shapes")
        self.experts = experts
    }

    var name: String { experts[0].name }
    var format: WeightFormat { experts[0].format }
    var expertCount: Int { experts.count }
    var rows: Int { experts[0].rows }
    var columns: Int { experts[0].columns }
}

extension CPUBackend {
    public func prepareExperts(
        _ experts: [WeightSource], precision: MatmulPrecision
    ) throws -> any ExpertWeights {
        CPUExperts(try experts.map { try prepare($0, precision: precision) })
    }

    /// Expert by expert: the rows that chose one are gathered, so that its weight is read once for all of them.
    public func matmulExperts(
        _ x: Tensor, _ experts: any ExpertWeights, choices: Tensor, activation: Activation?, isGated: Bool,
        into output: Tensor
    ) throws {
        let op = "matmulExperts"
        let experts = Check.experts(experts)
        let count = choices.shape.elementCount
        guard x.rows > 0, count % x.rows == 0, choices.shape.rank == 2, x.rows == count || x.rows == choices.rows else {
            if count == 0, x.rows == 0 { return }
            throw BackendError.shapeMismatch(
                op: op, argument: "x", expected: "[\(choices.rows) or \(count), \(experts.columns)]",
                found: "\(x.shape)")
        }
        try Check.matrix(op, "x", x, rows: x.rows, columns: experts.columns)
        try Check.vector(op, "choices", choices, count: count, dtype: .int32)
        let outputs = isGated ? experts.rows / 2 : experts.rows
        try Check.matrix(op, "output", output, rows: count, columns: outputs)
        try Check.limit(op, "T", choices.rows, maximum: limits?.tokenCount ?? 0)
        try Check.limit(
            op, "features", max(experts.columns, outputs), maximum: limits?.expertFeatureCount ?? 0)
        let chosen = UnsafeBufferPointer(start: choices.int32s, count: count)
        if let bad = chosen.firstIndex(where: { !(0..<Int32(experts.expertCount)).contains($0) }) {
            throw BackendError.invalidArgument(
                op: op, reason: "choice \(bad) is \(chosen[bad]), not in 0..<\(experts.expertCount)")
        }
        let epilogue = MatmulEpilogue(activation: activation, isGated: isGated)
        let repeats = count / x.rows
        for (index, expert) in experts.experts.enumerated() {
            var rows: [Int] = []
            for row in 0..<count where chosen[row] == Int32(index) { rows.append(row) }
            try multiply(rows[...], of: x, repeats: repeats, by: expert, epilogue, into: output)
        }
    }

    /// Rows `rows` of the output, each from row `row / repeats` of `x`.
    private func multiply(
        _ rows: ArraySlice<Int>, of x: Tensor, repeats: Int, by expert: any Weight, _ epilogue: MatmulEpilogue,
        into output: Tensor
    ) throws {
        guard let scratch = expertScratch, let first = rows.first else { return }
        if rows.count == 1 {
            return try matmul(
                x.rows(first / repeats..<first / repeats + 1), expert, into: output.rows(first..<first + 1),
                epilogue: epilogue)
        }
        let batch = rows.prefix(scratch.rows)
        let gathered = Tensor(buffer: scratch.input, dtype: .float32, shape: [batch.count, x.columns])
        let products = Tensor(buffer: scratch.output, dtype: .float32, shape: [batch.count, output.columns])
        for (index, row) in batch.enumerated() {
            memcpy(
                gathered.rows(index..<index + 1).hostPointer, x.rows(row / repeats..<row / repeats + 1).hostPointer,
                x.columns * MemoryLayout<Float>.size)
        }
        try matmul(gathered, expert, into: products, epilogue: epilogue)
        for (index, row) in batch.enumerated() {
            memcpy(
                output.rows(row..<row + 1).hostPointer, products.rows(index..<index + 1).hostPointer,
                output.columns * MemoryLayout<Float>.size)
        }
        try multiply(rows.dropFirst(batch.count), of: x, repeats: repeats, by: expert, epilogue, into: output)
    }

    public func combineExperts(_ x: Tensor, weights: Tensor, residual: Tensor?, into output: Tensor) throws {
        let op = "combineExperts"
        let tokens = output.rows
        guard weights.shape.rank == 2, weights.rows == tokens else {
            throw BackendError.shapeMismatch(
                op: op, argument: "weights", expected: "[\(tokens), J]", found: "\(weights.shape)")
        }
        try Check.vector(op, "weights", weights, count: weights.shape.elementCount)
        try Check.matrix(op, "x", x, rows: weights.shape.elementCount, columns: output.columns)
        try Check.matrix(op, "output", output, rows: tokens, columns: output.columns)
        try Check.matrix(op, "residual", residual, rows: tokens, columns: output.columns)
        launch(
            "combine_experts_f32", byteCount: x.byteCount + 2 * output.byteCount, flopCount: 2 * x.shape.elementCount
        ) {
            cpuk_combine_experts(
                context, x.floatRows, weights.floats, Int64(tokens), Int64(weights.columns), Int64(output.columns),
                residual.floatRows, output.floatRows)
        }
    }
}

/// Where the rows that chose one expert are gathered, and what comes of them.
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
