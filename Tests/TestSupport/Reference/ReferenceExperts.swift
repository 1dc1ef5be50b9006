public import TensorCore

extension Reference {
    /// Row `r` of the result is `x[r / repeats]` times the matrix of expert `indices[r]`, then activation and gate.
    public static func matmulIndexed(
        _ x: Matrix, _ experts: [Matrix], indices: [Int32], activation: Activation?, isGated: Bool
    ) -> Matrix {
        let repeats = indices.count / max(x.rows, 1)
        let rows = indices.enumerated().map { index, expert in
            matmul(
                Matrix(rows: 1, columns: x.columns, values: x.row(index / repeats)), experts[Int(expert)],
                epilogue: .init(bias: nil, activation: activation, isGated: isGated, residual: nil))
        }
        return Matrix(rows: rows.count, columns: rows.first?.columns ?? 0, values: rows.flatMap(\.values))
    }

    /// `residual[t] + Σ_j weights[t, j] · x[t * J + j]`.
    public static func combineExperts(_ x: Matrix, weights: Matrix, residual: Matrix?) -> Matrix {
        var result =
            residual
            ?? Matrix(
                rows: weights.rows, columns: x.columns, values: Array(repeating: 0, count: weights.rows * x.columns))
        for token in 0..<weights.rows {
            for (choice, weight) in weights.row(token).enumerated() {
                for (column, value) in x.row(token * weights.columns + choice).enumerated() {
                    result.values[token * x.columns + column] += weight * value
                }
            }
        }
        return result
    }
}

/// One weight an expert.
private final class ReferenceExperts: IndexedWeights {
    let experts: [ReferenceWeight]

    init(_ experts: [ReferenceWeight]) { self.experts = experts }

    var name: String { experts[0].name }
    var format: WeightFormat { experts[0].format }
    var count: Int { experts.count }
    var rows: Int { experts[0].rows }
    var columns: Int { experts[0].columns }
}

extension ReferenceBackend {
    public func prepareIndexed(
        _ experts: [WeightSource], precision: MatmulPrecision
    ) throws -> any IndexedWeights {
        ReferenceExperts(experts.map(ReferenceWeight.init))
    }

    public func matmulIndexed(
        _ x: Tensor, _ experts: any IndexedWeights, indices: Tensor, activation: Activation?, isGated: Bool,
        into output: Tensor
    ) throws {
        guard let experts = experts as? ReferenceExperts else { preconditionFailure("experts of another backend") }
        try IndexedMatmulArguments(x: x, weights: experts, indices: indices, isGated: isGated, output: output)
            .validate()
        launch("matmulIndexed")
        store(
            Reference.matmulIndexed(
                matrix(x), experts.experts.map(\.values), indices: elements(indices, as: Int32.self),
                activation: activation, isGated: isGated), to: output)
    }

    public func combineExperts(_ x: Tensor, weights: Tensor, residual: Tensor?, into output: Tensor) throws {
        try ArgumentChecks(op: "combineExperts").combineExperts(x, weights: weights, residual: residual, output: output)
        launch("combineExperts")
        store(
            Reference.combineExperts(matrix(x), weights: matrix(weights), residual: residual.map { matrix($0) }),
            to: output)
    }
}
