import Glibc

/// How the hits of several arms become one list.
public enum Fusion: Sendable, Hashable {
    /// `Σ weight / (k + rank)` over the arms that found a chunk. (Cormack, Clarke and Büttcher, 2009)
    case reciprocalRank(k: Double = 60)
    /// Each arm's scores from three standard deviations below their mean to three above it are stretched to 0...1, then
    /// added with their weights ("distribution-based score fusion", Mazzeschi, 2023).
    case distribution
    /// Each arm's scores from its worst hit to its best are stretched to 0...1, then added with the arm's weight; what an arm
    /// has not found has its 0. (Bruch, Gai and Ingber, 2023, "An analysis of fusion functions for hybrid retrieval")
    case learned(FusionWeights)

    /// The same for hits of known arms.
    /// - Parameter lexicalWeight: of the lexical arm beside the others' 1; a learned fusion has weights of its own.
    public func fuse(_ arms: [SearchArm: [Hit]], lexicalWeight: Double = 1, count: Int) -> [Hit] {
        let weighted = SearchArm.allCases.compactMap { arm -> (hits: [Hit], weight: Double)? in
            guard let hits = arms[arm] else { return nil }
            if case .learned(let learned) = self { return (hits, learned.weights[arm] ?? 0) }
            return (hits, arm == .lexical ? lexicalWeight : 1)
        }
        return fuse(weighted, count: count)
    }

    /// - Parameter arms: hits of each arm, best first, and the arm's weight, which takes the place of a learned one.
    public func fuse(_ arms: [(hits: [Hit], weight: Double)], count: Int) -> [Hit] {
        var scores: [Int64: Double] = [:]
        for (hits, weight) in arms {
            switch self {
            case .reciprocalRank(let k):
                for (rank, hit) in hits.enumerated() {
                    scores[hit.chunk, default: 0] += weight / (k + Double(rank + 1))
                }
            case .distribution:
                let stretch = Fusion.stretch(hits)
                for hit in hits { scores[hit.chunk, default: 0] += weight * stretch(hit.score) }
            case .learned:
                let range = Fusion.range(hits)
                for hit in hits { scores[hit.chunk, default: 0] += weight * range(hit.score) }
            }
        }
        return Array(scores.map { Hit(chunk: $0.key, score: $0.value) }.sorted(by: Hit.precedes).prefix(count))
    }

    /// 0 at the worst of some scores and 1 at the best; 1 where all are equal.
    static func range(_ hits: [Hit]) -> (Double) -> Double {
        let low = hits.reduce(Double.infinity) { min($0, $1.score) }
        let high = hits.reduce(-Double.infinity) { max($0, $1.score) }
        guard high > low else { return { _ in 1 } }
        return { ($0 - low) / (high - low) }
    }

    private static func stretch(_ hits: [Hit]) -> (Double) -> Double {
        let count = Double(max(hits.count, 1))
        let mean = hits.reduce(0) { $0 + $1.score } / count
        let deviation = sqrt(hits.reduce(0) { $0 + ($1.score - mean) * ($1.score - mean) } / count)
        guard deviation > 0 else { return { _ in 0.5 } }
        return { min(max(($0 - (mean - 3 * deviation)) / (6 * deviation), 0), 1) }
    }
}

/// Maximal marginal relevance: each next result is relevant to the query and unlike those chosen before.
public enum MaximalMarginalRelevance {
    /// (Carbonell and Goldstein, 1998) `relevance · λ - largest similarity to what is chosen · (1 - λ)`.
    /// - Parameters:
    ///   - vectors: normalised, one a hit.
    ///   - lambda: 1 keeps the order, 0 looks at variety alone.
    public static func select(_ hits: [Hit], vectors: [[Float]], lambda: Double, count: Int) -> [Hit] {
        precondition(hits.count == vectors.count, "\(vectors.count) vectors for \(hits.count) hits")
        return select(scores: hits.map(\.score), lambda: lambda, count: count) { first, second in
            zip(vectors[first], vectors[second]).reduce(0.0) { $0 + Double($1.0 * $1.1) }
        }.map { hits[$0] }
    }

    /// The same for anything that has a score and a likeness from 0 to 1.
    /// - Returns: places among `scores`, in the order in which they were chosen.
    public static func select(
        scores: [Double], lambda: Double, count: Int, similarity: (Int, Int) -> Double
    ) -> [Int] {
        let (low, high) = (scores.min() ?? 0, scores.max() ?? 1)
        let relevance = scores.map { high > low ? ($0 - low) / (high - low) : 1 }
        var nearest = [Double](repeating: 0, count: scores.count)
        var left = Array(scores.indices)
        var chosen: [Int] = []
        while chosen.count < count, !left.isEmpty {
            var best = left[0]
            var bestValue = -Double.infinity
            for index in left {
                let value = lambda * relevance[index] - (1 - lambda) * nearest[index]
                if value > bestValue { (best, bestValue) = (index, value) }
            }
            chosen.append(best)
            left.removeAll { $0 == best }
            for index in left { nearest[index] = max(nearest[index], similarity(index, best)) }
        }
        return chosen
    }
}
