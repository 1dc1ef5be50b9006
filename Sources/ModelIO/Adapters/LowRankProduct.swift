/// The product of an adapter's two matrices.
///
/// Legend: `N` rows and `K` columns of the adapted matrix, `r` the rank.
struct LowRankProduct {
    /// `[r, K]` and `[N, r]`.
    let down: [Float]
    let up: [Float]
    let rows: Int
    let columns: Int
    let rank: Int
    let factor: Double
    /// Whether the adapted matrix is stored `[K, N]`.
    let isTransposed: Bool

    /// `values [N, K] += factor · up · down`, or the transposed of both. Sums in FP64.
    func add(to values: inout [Float]) {
        var sums = [Double](repeating: 0, count: columns)
        for row in 0..<rows {
            for column in sums.indices { sums[column] = 0 }
            for index in 0..<rank {
                let weight = Double(up[row * rank + index]) * factor
                let start = index * columns
                for column in 0..<columns { sums[column] += weight * Double(down[start + column]) }
            }
            let (start, step) = isTransposed ? (row, rows) : (row * columns, 1)
            for column in 0..<columns {
                let place = start + column * step
                values[place] = Float(Double(values[place]) + sums[column])
            }
        }
    }

    /// What DoRA multiplies each row of the adapted matrix by, so that it gets the length that was learned: `m / |row|`.
    /// A row of zeros stays what it is. (Liu et al., 2024)
    /// - Parameters:
    ///   - values: the matrix with the product added.
    ///   - magnitude: `m [N]`.
    func rowScales(of values: [Float], magnitude: [Float]) -> [Double] {
        (0..<rows).map { row in
            let (start, step) = isTransposed ? (row, rows) : (row * columns, 1)
            var sum = 0.0
            for column in 0..<columns {
                let value = Double(values[start + column * step])
                sum += value * value
            }
            return sum > 0 ? Double(magnitude[row]) / sum.squareRoot() : 1
        }
    }

    /// Multiplies each row by its number.
    func scale(_ values: inout [Float], by scales: [Double]) {
        for row in 0..<rows {
            let (start, step) = isTransposed ? (row, rows) : (row * columns, 1)
            for column in 0..<columns {
                let place = start + column * step
                values[place] = Float(Double(values[place]) * scales[row])
            }
        }
    }
}
