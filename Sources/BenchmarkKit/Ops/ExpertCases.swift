import CommandSupport
internal import OpCases
internal import TensorCore

/// The products of a mixture's experts, and the sum of what they give.
///
/// Legend: `T` tokens, `E` experts, `J` experts that a token takes, `K` input features, `N` output channels of an expert.
struct ExpertCases {
    static func groups(_ shape: ModelShape, formats: [WeightFormat], tokenCounts: [Int]) -> [OpGroup] {
        guard let experts = shape.experts else { return [] }
        let matrices = [
            ExpertMatrix(
                experts: experts, name: "gate_up", partRows: shape.intermediateSize, columns: shape.hiddenSize,
                isGated: true),
            ExpertMatrix(
                experts: experts, name: "down", partRows: shape.hiddenSize, columns: shape.intermediateSize,
                isGated: false),
        ]
        let products = matrices.flatMap { matrix in
            formats.filter { matrix.columns % $0.blockSize == 0 }.map { format in
                OpGroup(op: "experts", weightByteCount: experts.count * matrix.byteCount(format)) { context in
                    let group = try ExpertGroup(matrix, shape.name, format, context)
                    return try tokenCounts.map(group.prepare)
                }
            }
        }
        let sums = tokenCounts.map { count in
            OpGroup(op: "combine") { [try combine(shape, experts, count, $0)] }
        }
        return products + sums
    }

    private static func combine(
        _ shape: ModelShape, _ experts: ModelShape.Experts, _ tokenCount: Int, _ context: OpContext
    ) throws -> PreparedOp {
        let (backend, width, expertsPerToken) = (context.backend, shape.hiddenSize, experts.expertsPerToken)
        try context.reserve(tokens: tokenCount, features: width, expertFeatures: width)
        var random = SplitMix64(seed: 71)
        let values = random.floats(tokenCount * expertsPerToken * width)
        let factors = random.floats(tokenCount * expertsPerToken)
        let added = random.floats(tokenCount * width)
        let x = try backend.makeTensor(values, [tokenCount * expertsPerToken, width])
        let weights = try backend.makeTensor(factors, [tokenCount, expertsPerToken])
        let residual = try backend.makeTensor(added, [tokenCount, width])
        let output = try backend.makeTensor(.float32, [tokenCount, width])
        let opCase = OpCase(
            op: "combine", shape: shape.name, operand: "\(expertsPerToken) of \(width)", format: "float32",
            tokenCount: tokenCount, byteCount: 4 * (values.count + factors.count + 2 * added.count),
            flopCount: 2 * values.count)
        func call() throws {
            try backend.combineExperts(x, weights: weights, residual: residual, into: output)
        }
        return PreparedOp(
            opCase: opCase, call: { _ in try call() },
            error: {
                try call()
                return SampledError.ofSample(64, of: try backend.readFloats(output), seed: 72) { place in
                    let (token, column) = place.quotientAndRemainder(dividingBy: width)
                    let sum = (0..<expertsPerToken).reduce(Double(added[place])) { sum, choice in
                        let row = token * expertsPerToken + choice
                        return sum + Double(factors[row]) * Double(values[row * width + column])
                    }
                    return ExpectedOutput(sum)
                }
            }, tolerance: 1e-9, rates: context.ceilings.rates(for: .float32))
    }
}

/// The same matrix of every expert.
private struct ExpertMatrix {
    let experts: ModelShape.Experts
    let name: String
    /// Rows of the gates, and of the values; where there is no gate, all rows.
    let partRows: Int
    let columns: Int
    /// Whether a token's row is the input of all its expertIDs, and the output the activated gate times the value.
    let isGated: Bool

    var rows: Int { isGated ? 2 * partRows : partRows }

    /// Of one expert.
    func byteCount(_ format: WeightFormat) -> Int {
        rows * ((format.rowByteCount(columns: columns) ?? 0) + (format == .int8 ? 4 : 0))
    }
}

/// One matrix of all experts in one format, for all numbers of tokens.
private struct ExpertGroup {
    let matrix: ExpertMatrix
    let shapeName: String
    let format: WeightFormat
    let context: OpContext
    /// The gates (or all rows) of each expert, then the values of each.
    let sources: [RandomWeight]
    let weights: any IndexedWeights

    init(_ matrix: ExpertMatrix, _ shapeName: String, _ format: WeightFormat, _ context: OpContext) throws {
        self.matrix = matrix
        self.shapeName = shapeName
        self.format = format
        self.context = context
        let count = matrix.experts.count
        let sources = RandomWeight.copies(
            matrix.isGated ? 2 * count : count, matrix.name, format: format, rows: matrix.partRows,
            columns: matrix.columns, seed: 73)
        self.sources = sources
        let experts = (0..<count).map { expert in
            WeightSource(
                name: matrix.name, format: format, columns: matrix.columns,
                parts: stride(from: expert, to: sources.count, by: count).map { sources[$0].source.parts[0] })
        }
        weights = try context.backend.prepareIndexed(experts, precision: .automatic)
    }

    func prepare(_ tokenCount: Int) throws -> PreparedOp {
        let (backend, expertsPerToken) = (context.backend, matrix.experts.expertsPerToken)
        let widest = max(matrix.columns, matrix.partRows)
        try context.reserve(
            tokens: tokenCount, features: widest, inputs: matrix.columns, expertFeatures: widest,
            expertsPerToken: expertsPerToken)
        var random = SplitMix64(seed: 74)
        let rowCount = tokenCount * expertsPerToken
        let inputRowCount = matrix.isGated ? tokenCount : rowCount
        let inputs = random.floats(inputRowCount * matrix.columns)
        let expertIDs = expertIDs(tokenCount, &random)
        let distinctCount = Set(expertIDs).count
        // Other calls take as many experts, but others, so that their weights are not in caches.
        let lists =
            [expertIDs] + renamed(expertIDs, context.copies(byteCount: distinctCount * expertByteCount), &random)
        let x = try backend.makeTensor(inputs, [inputRowCount, matrix.columns])
        let chosen = try lists.map { try backend.makeTensor($0, [tokenCount, expertsPerToken]) }
        let output = try backend.makeTensor(.float32, [rowCount, matrix.partRows])
        let opCase = OpCase(
            op: "experts", shape: shapeName,
            operand: "\(matrix.name) \(expertsPerToken) of \(matrix.experts.count) \(matrix.rows)x\(matrix.columns)",
            format: format.rawValue, tokenCount: tokenCount,
            byteCount: distinctCount * expertByteCount + 4 * (inputs.count + output.shape.elementCount + rowCount),
            flopCount: 2 * rowCount * matrix.rows * matrix.columns)
        func call(_ index: Int) throws {
            try backend.matmulIndexed(
                x, weights, indices: chosen[index % chosen.count], activation: matrix.isGated ? .silu : nil,
                isGated: matrix.isGated, into: output)
        }
        // As in MatmulCases: the layout of weights is a part of loading.
        for index in chosen.indices { try call(index) }
        try backend.synchronize()
        return PreparedOp(
            opCase: opCase, call: call,
            error: {
                try call(0)
                return SampledError.ofSample(32, of: try backend.readFloats(output), seed: 75) { place in
                    expected(place, inputs: inputs, expertIDs: expertIDs)
                }
            }, tolerance: MatmulCases.tolerance(format), rates: context.ceilings.rates(for: format))
    }

    private var expertByteCount: Int { matrix.byteCount(format) }

    /// Of each token `J` different experts.
    private func expertIDs(_ tokenCount: Int, _ random: inout SplitMix64) -> [Int32] {
        let experts = Array(0..<Int32(matrix.experts.count))
        return (0..<tokenCount).flatMap { _ in experts.shuffled(using: &random).prefix(matrix.experts.expertsPerToken) }
    }

    /// The same ids with the experts under other numbers.
    private func renamed(_ expertIDs: [Int32], _ count: Int, _ random: inout SplitMix64) -> [[Int32]] {
        (0..<count).map { _ in
            let names = (0..<Int32(matrix.experts.count)).shuffled(using: &random)
            return expertIDs.map { names[Int($0)] }
        }
    }

    private func expected(_ place: Int, inputs: [Float], expertIDs: [Int32]) -> ExpectedOutput {
        let (row, channel) = place.quotientAndRemainder(dividingBy: matrix.partRows)
        let expert = Int(expertIDs[row])
        let inputRow = matrix.isGated ? row / matrix.experts.expertsPerToken : row
        let input = inputs[inputRow * matrix.columns..<(inputRow + 1) * matrix.columns]
        let first = sources[expert].product(row: channel, input)
        guard matrix.isGated else { return ExpectedOutput(first, times: nil, activation: nil) }
        let second = sources[matrix.experts.count + expert].product(row: channel, input)
        return ExpectedOutput(first, times: second, activation: .silu)
    }
}
