import CommandSupport
internal import TensorCore

/// The matrix products of a model's layer and head.
///
/// Legend: `T` tokens, `K` input features, `N` output channels.
struct MatmulCases {
    /// One weight matrix and what its product ends with.
    struct Matrix {
        let name: String
        let rows: Int
        let columns: Int
        var hasBias = false
        var activation: Activation?
        var isGated = false
        var hasResidual = false
        /// Logits are wanted of one token, however long the prompt.
        var takesOneToken = false

        var outputCount: Int { isGated ? rows / 2 : rows }
    }

    static func matrices(_ shape: ModelShape) -> [Matrix] {
        let (width, inner) = (shape.hiddenSize, shape.intermediateSize)
        let bias = shape.family == .gpt2
        var matrices = [
            Matrix(name: "qkv", rows: shape.projectionSize, columns: width, hasBias: bias),
            Matrix(
                name: "output", rows: width, columns: shape.headCount * shape.headSize, hasBias: bias,
                hasResidual: true),
        ]
        if let experts = shape.experts {
            matrices.append(Matrix(name: "router", rows: experts.count, columns: width))
        } else {
            matrices.append(
                shape.family == .gpt2
                    ? Matrix(name: "up", rows: inner, columns: width, hasBias: true, activation: .geluTanh)
                    : Matrix(name: "gate_up", rows: 2 * inner, columns: width, activation: .silu, isGated: true))
            matrices.append(Matrix(name: "down", rows: width, columns: inner, hasBias: bias, hasResidual: true))
        }
        matrices.append(Matrix(name: "head", rows: shape.vocabularySize, columns: width, takesOneToken: true))
        return matrices
    }

    /// FP32 products end far below; quantised weights may meet activations of 8 bits.
    static func tolerance(_ format: WeightFormat) -> Double { format == .float32 ? 1e-9 : 1e-3 }

    static func groups(_ shape: ModelShape, formats: [WeightFormat], tokenCounts: [Int]) -> [OpGroup] {
        matrices(shape).flatMap { matrix in
            formats.filter { matrix.columns % $0.blockSize == 0 }.map { format in
                OpGroup(op: "matmul") { context in
                    try MatmulGroup(matrix, shape, format, context).cases(
                        matrix.takesOneToken ? [1] : tokenCounts)
                }
            }
        }
    }
}

/// One matrix in one format, for all numbers of tokens.
private struct MatmulGroup {
    let matrix: MatmulCases.Matrix
    let shape: ModelShape
    let format: WeightFormat
    let context: OpContext
    let sources: [RandomWeight]
    let weights: [any Weight]
    let bias: [Float]?
    let biasTensor: Tensor?

    init(_ matrix: MatmulCases.Matrix, _ shape: ModelShape, _ format: WeightFormat, _ context: OpContext) throws {
        self.matrix = matrix
        self.shape = shape
        self.format = format
        self.context = context
        let byteCount = matrix.rows * (format.rowByteCount(columns: matrix.columns) ?? 0)
        sources = RandomWeight.copies(
            context.copies(byteCount: byteCount), matrix.name, format: format, rows: matrix.rows,
            columns: matrix.columns, seed: 21)
        weights = try sources.map { try context.backend.prepare($0.source, precision: .automatic) }
        var random = RandomNumbers(seed: 22)
        bias = matrix.hasBias ? random.floats(matrix.rows) : nil
        biasTensor = try bias.map { try context.backend.makeTensor($0, [$0.count]) }
    }

    func cases(_ tokenCounts: [Int]) throws -> [PreparedOp] {
        try context.reserve(
            tokens: tokenCounts.max() ?? 1, features: max(matrix.rows, matrix.columns), inputs: matrix.columns)
        return try tokenCounts.map(prepare)
    }

    private func prepare(_ tokenCount: Int) throws -> PreparedOp {
        let backend = context.backend
        var random = RandomNumbers(seed: 23)
        let inputs = random.floats(tokenCount * matrix.columns)
        let residual = matrix.hasResidual ? random.floats(tokenCount * matrix.outputCount) : nil
        let x = try backend.makeTensor(inputs, [tokenCount, matrix.columns])
        let output = try backend.makeTensor(.float32, [tokenCount, matrix.outputCount])
        let epilogue = MatmulEpilogue(
            bias: biasTensor, activation: matrix.activation, isGated: matrix.isGated,
            residual: try residual.map { try backend.makeTensor($0, [tokenCount, matrix.outputCount]) })
        let weightBytes = sources[0].source.byteCount + (format == .int8 ? 4 * matrix.rows : 0)
        let floats = inputs.count + output.shape.elementCount + (residual?.count ?? 0) + (bias?.count ?? 0)
        let opCase = OpCase(
            op: "matmul", shape: shape.name, operand: "\(matrix.name) \(matrix.rows)x\(matrix.columns)",
            format: format.rawValue, tokenCount: tokenCount, byteCount: weightBytes + 4 * floats,
            flopCount: 2 * tokenCount * matrix.rows * matrix.columns)
        return PreparedOp(
            opCase: opCase,
            call: { [weights] index in
                try backend.matmul(x, weights[index % weights.count], into: output, epilogue: epilogue)
            },
            error: {
                try backend.matmul(x, weights[0], into: output, epilogue: epilogue)
                return sampledError(try backend.readFloats(output), inputs: inputs, residual: residual)
            },
            tolerance: MatmulCases.tolerance(format), rates: context.ceilings.rates(for: format))
    }

    private func sampledError(_ found: [Float], inputs: [Float], residual: [Float]?) -> Double {
        SampledError.ofSample(32, of: found, seed: 24) { place in
            let (token, channel) = place.quotientAndRemainder(dividingBy: matrix.outputCount)
            let row = inputs[token * matrix.columns..<(token + 1) * matrix.columns]
            let first = product(row, channel)
            var value = matrix.activation?.reference(first) ?? first
            if matrix.isGated { value *= product(row, matrix.outputCount + channel) }
            return value + Double(residual?[place] ?? 0)
        }
    }

    private func product(_ row: ArraySlice<Float>, _ channel: Int) -> Double {
        sources[0].product(row: channel, row) + Double(bias?[channel] ?? 0)
    }
}
