/// Rows of float64, what the references compute with.
public struct Matrix: Sendable, Equatable {
    public let rows: Int
    public let columns: Int
    public var values: [Double]

    public init(rows: Int, columns: Int, values: [Double]) {
        precondition(values.count == rows * columns, "\(values.count) values for \(rows) rows of \(columns)")
        self.rows = rows
        self.columns = columns
        self.values = values
    }

    public init(rows: Int, columns: Int, floats: [Float]) {
        self.init(rows: rows, columns: columns, values: floats.map(Double.init))
    }

    public init(rows: Int, columns: Int) {
        self.init(rows: rows, columns: columns, values: [Double](repeating: 0, count: rows * columns))
    }

    public subscript(row: Int, column: Int) -> Double {
        get { values[row * columns + column] }
        set { values[row * columns + column] = newValue }
    }

    public func row(_ index: Int) -> [Double] { Array(values[index * columns..<(index + 1) * columns]) }

    public static func + (a: Matrix, b: Matrix) -> Matrix {
        precondition(a.rows == b.rows && a.columns == b.columns, "sum of different shapes")
        return Matrix(rows: a.rows, columns: a.columns, values: zip(a.values, b.values).map { $0 + $1 })
    }
}

/// `Σ(found - expected)² / Σ expected²`; where the expectation is all zeros, `Σ found²`. NaN where anything found is NaN.
public func normalizedMeanSquaredError(_ found: some Collection<Float>, _ expected: some Collection<Double>) -> Double {
    precondition(found.count == expected.count, "\(found.count) values against \(expected.count)")
    var error = 0.0
    var power = 0.0
    for (value, reference) in zip(found, expected) {
        // Equal infinities are no error, and their difference would be NaN.
        let difference = Double(value) == reference ? 0 : Double(value) - reference
        error += difference * difference
        power += reference.isInfinite ? 0 : reference * reference
    }
    return power > 0 ? error / power : error
}

/// The largest `normalizedMeanSquaredError` of any row, so that a bad row cannot hide behind large ones.
public func worstRowError(_ found: [Float], _ expected: Matrix) -> Double {
    var worst = 0.0
    for row in 0..<expected.rows {
        let range = row * expected.columns..<(row + 1) * expected.columns
        let error = normalizedMeanSquaredError(found[range], expected.values[range])
        if error.isNaN { return error }
        worst = max(worst, error)
    }
    return worst
}
