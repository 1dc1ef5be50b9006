extension Reference {
    /// `s / sqrt(mean(s²) + epsilon) * weight`, each row for itself.
    public static func rmsNorm(_ sum: Matrix, weight: [Float], epsilon: Float) -> Matrix {
        mapRows(sum) { row in
            let mean = row.reduce(0) { $0 + $1 * $1 } / Double(row.count)
            let scale = 1 / (mean + Double(epsilon)).squareRoot()
            return zip(row, weight).map { $0 * scale * Double($1) }
        }
    }

    /// Each run of `headSize` columns for itself.
    public static func rmsNormHeads(_ x: Matrix, headSize: Int, weight: [Float], epsilon: Float) -> Matrix {
        mapRows(x) { row in
            stride(from: 0, to: row.count, by: headSize).flatMap { first -> [Double] in
                let head = Matrix(rows: 1, columns: headSize, values: Array(row[first..<first + headSize]))
                return rmsNorm(head, weight: Array(weight[first..<first + headSize]), epsilon: epsilon).values
            }
        }
    }

    /// `(s - mean(s)) / sqrt(var(s) + epsilon) * weight + bias`, with the biased variance.
    public static func layerNorm(_ sum: Matrix, weight: [Float], bias: [Float]?, epsilon: Float) -> Matrix {
        mapRows(sum) { row in
            let mean = row.reduce(0, +) / Double(row.count)
            let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(row.count)
            let scale = 1 / (variance + Double(epsilon)).squareRoot()
            return row.indices.map { (row[$0] - mean) * scale * Double(weight[$0]) + Double(bias?[$0] ?? 0) }
        }
    }

    static func mapRows(_ x: Matrix, _ body: ([Double]) -> [Double]) -> Matrix {
        Matrix(rows: x.rows, columns: x.columns, values: (0..<x.rows).flatMap { body(x.row($0)) })
    }
}
