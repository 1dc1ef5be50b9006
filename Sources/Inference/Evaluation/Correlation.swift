/// How strongly two lists of numbers are correlated.
public enum Correlation {
    /// Pearson's; NaN where one list does not vary.
    public static func pearson(_ first: [Double], _ second: [Double]) -> Double {
        precondition(first.count == second.count, "lists of \(first.count) and \(second.count) numbers")
        let count = Double(first.count)
        let (meanOfFirst, meanOfSecond) = (first.reduce(0, +) / count, second.reduce(0, +) / count)
        var (product, firstSquares, secondSquares) = (0.0, 0.0, 0.0)
        for (a, b) in zip(first, second) {
            let (a, b) = (a - meanOfFirst, b - meanOfSecond)
            product += a * b
            firstSquares += a * a
            secondSquares += b * b
        }
        return product / (firstSquares * secondSquares).squareRoot()
    }

    /// Spearman's: Pearson's of the ranks; equal numbers share the mean of their ranks.
    public static func spearman(_ first: [Double], _ second: [Double]) -> Double {
        pearson(ranks(first), ranks(second))
    }

    private static func ranks(_ values: [Double]) -> [Double] {
        let order = values.indices.sorted { values[$0] < values[$1] }
        var ranks = [Double](repeating: 0, count: values.count)
        var start = 0
        while start < order.count {
            var end = start + 1
            while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
            for place in order[start..<end] { ranks[place] = Double(start + end - 1) / 2 }
            start = end
        }
        return ranks
    }
}

/// How near two vectors are, greater meaning nearer.
public enum VectorSimilarity: String, Sendable, Hashable, CaseIterable {
    case cosine, dot, euclidean, manhattan

    public func callAsFunction(_ first: [Float], _ second: [Float]) -> Double {
        switch self {
        case .dot: return sum(first, second) { $0 * $1 }
        case .cosine:
            let scale = (sum(first, first) { $0 * $1 } * sum(second, second) { $0 * $1 }).squareRoot()
            return scale > 0 ? sum(first, second) { $0 * $1 } / scale : 0
        case .euclidean: return -sum(first, second) { ($0 - $1) * ($0 - $1) }.squareRoot()
        case .manhattan: return -sum(first, second) { abs($0 - $1) }
        }
    }

    private func sum(_ first: [Float], _ second: [Float], _ term: (Double, Double) -> Double) -> Double {
        zip(first, second).reduce(0) { $0 + term(Double($1.0), Double($1.1)) }
    }
}
