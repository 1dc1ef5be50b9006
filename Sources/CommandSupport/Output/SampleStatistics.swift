/// What is said of repeated measurements.
package struct SampleStatistics: Sendable, Hashable {
    /// Ascending.
    package let sorted: [Double]

    package init(_ values: [Double]) { sorted = values.sorted() }

    package var count: Int { sorted.count }

    /// 0 where there is nothing.
    package var mean: Double { sorted.isEmpty ? 0 : sorted.reduce(0, +) / Double(sorted.count) }

    /// Of the sample, with `count - 1` below; 0 for fewer than two values.
    package var standardDeviation: Double {
        sorted.count > 1 ? (squares / Double(sorted.count - 1)).squareRoot() : 0
    }

    package var median: Double { percentile(50) }

    /// The value below which `percent` of the values lie, linear between the two nearest ranks: what NumPy's `percentile`
    /// gives (Hyndman and Fan's definition 7). 0 where there is nothing.
    /// - Parameter percent: in 0...100.
    package func percentile(_ percent: Double) -> Double {
        guard let last = sorted.indices.last else { return 0 }
        let rank = Double(last) * min(max(percent, 0), 100) / 100
        let lower = Int(rank)
        let upper = min(lower + 1, last)
        return sorted[lower] + (sorted[upper] - sorted[lower]) * (rank - Double(lower))
    }

    private var squares: Double {
        let mean = mean
        return sorted.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    }
}
