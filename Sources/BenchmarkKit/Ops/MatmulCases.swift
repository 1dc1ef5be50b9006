import CommandSupport
internal import OpCases
internal import TensorCore

/// The matrix products of a model's layer and head.
struct MatmulCases {
    /// FP32 products end far below. Other weights may meet activations quantised to int8 with a scale for 16, whose error
    /// is 1.6e-5 of the terms on average: a step of 1/127 of the largest of 16 even values. The outputs of a token share
    /// its errors, so that of one token it was up to 5.6e-5 (4 outputs of 256 inputs, every format).
    static func tolerance(_ format: WeightFormat) -> Double { format == .float32 ? 1e-9 : 2e-4 }

    static func groups(_ shape: ModelShape, formats: [WeightFormat], tokenCounts: [Int]) -> [OpGroup] {
        MatmulCase.timed(shape, formats: formats, tokenCounts: tokenCounts).map { cases in
            OpGroup(op: "matmul") { context in try cases.first.map { try MatmulGroup($0, context).ops(cases) } ?? [] }
        }
    }
}

/// One matrix in one format, for all numbers of tokens.
///
/// Legend: `T` tokens, `K` input features, `N` output channels.
private struct MatmulGroup {
    let format: WeightFormat
    let context: OpContext
    let sources: [RandomWeight]
    let weights: [any Weight]
    let bias: [Float]?
    let biasTensor: Tensor?

    init(_ one: MatmulCase, _ context: OpContext) throws {
        format = one.format
        self.context = context
        let byteCount = one.rows * (one.format.rowByteCount(columns: one.columns) ?? 0)
        sources = RandomWeight.copies(
            context.copies(byteCount: byteCount), one.timing?.operand ?? one.name, format: one.format, rows: one.rows,
            columns: one.columns, seed: 21)
        weights = try sources.map { try context.backend.prepare($0.source, precision: .automatic) }
        var random = SplitMix64(seed: 22)
        bias = one.hasBias ? random.floats(one.rows) : nil
        biasTensor = try bias.map { try context.backend.makeTensor($0, [$0.count]) }
    }

    func ops(_ cases: [MatmulCase]) throws -> [PreparedOp] {
        try context.reserve(
            tokens: cases.map(\.tokens).max() ?? 1, features: cases.map { max($0.rows, $0.columns) }.max() ?? 1,
            inputs: cases.map(\.columns).max() ?? 1)
        let ops = try cases.map(prepare)
        // A backend may lay out a weight anew at its first product, which is a part of loading.
        guard let quickest = ops.min(by: { $0.opCase.tokenCount < $1.opCase.tokenCount }) else { return ops }
        for index in weights.indices { try quickest.call(index) }
        try context.backend.synchronize()
        return ops
    }

    private func prepare(_ one: MatmulCase) throws -> PreparedOp {
        let backend = context.backend
        var random = SplitMix64(seed: 23)
        let inputs = random.floats(one.tokens * one.columns)
        let residual = one.residual == .none ? nil : random.floats(one.tokens * one.outputColumns)
        let x = try backend.makeTensor(inputs, [one.tokens, one.columns])
        let output = try GuardedTensor(on: backend, .float32, [one.tokens, one.outputColumns])
        let epilogue = MatmulEpilogue(
            bias: biasTensor, activation: one.activation, isGated: one.isGated,
            residual: try residual.map { try backend.makeTensor($0, [one.tokens, one.outputColumns]) })
        return PreparedOp(
            opCase: opCase(one),
            call: { [weights] index in
                try backend.matmul(x, weights[index % weights.count], into: output.tensor, epilogue: epilogue)
            },
            error: {
                try backend.matmul(x, weights[0], into: output.tensor, epilogue: epilogue)
                return sampledError(try output.floats(of: opCase(one)), one, inputs: inputs, residual: residual)
            },
            tolerance: MatmulCases.tolerance(format), rates: context.ceilings.rates(for: format))
    }

    private func opCase(_ one: MatmulCase) -> OpCase {
        let weightBytes = sources[0].source.byteCount + (format == .int8 ? 4 * one.rows : 0)
        let outputCount = one.tokens * one.outputColumns
        let floats =
            one.tokens * one.columns + outputCount + (one.residual == .none ? 0 : outputCount) + (bias?.count ?? 0)
        return OpCase(
            op: "matmul", shape: one.timing?.model ?? "",
            operand: "\(one.timing?.operand ?? "") \(one.rows)x\(one.columns)", format: format.rawValue,
            tokenCount: one.tokens, byteCount: weightBytes + 4 * floats,
            flopCount: 2 * one.tokens * one.rows * one.columns)
    }

    private func sampledError(_ found: [Float], _ one: MatmulCase, inputs: [Float], residual: [Float]?) -> Double {
        SampledError.ofSample(32, of: found, seed: 24) { place in
            let (token, channel) = place.quotientAndRemainder(dividingBy: one.outputColumns)
            let row = inputs[token * one.columns..<(token + 1) * one.columns]
            return ExpectedOutput(
                product(row, channel), times: one.isGated ? product(row, one.outputColumns + channel) : nil,
                activation: one.activation, residual: Double(residual?[place] ?? 0))
        }
    }

    private func product(_ row: ArraySlice<Float>, _ channel: Int) -> DotProduct {
        var product = sources[0].product(row: channel, row)
        product.value += Double(bias?[channel] ?? 0)
        return product
    }
}
