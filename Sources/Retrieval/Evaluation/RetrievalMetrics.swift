import Glibc

/// How well a ranking serves one query, or the means over several, by the definitions of TREC's `trec_eval` at a cut-off.
public struct RetrievalMetrics: Sendable, Hashable {
    /// 1 where a relevant document is among the first k (`success_k`).
    public var hitRate = 0.0
    /// The share of the relevant documents that is among the first k (`recall_k`).
    public var recall = 0.0
    /// 1 / rank of the first relevant document among the first k, else 0 (`recip_rank` of a run cut at k).
    public var reciprocalRank = 0.0
    /// The mean of the precision at each relevant document among the first k, those left out counting 0 (`map_cut_k`).
    public var averagePrecision = 0.0
    /// Gains of the relevance itself, discounted by log2(rank + 1), over those of the best order (`ndcg_cut_k`).
    public var ndcg = 0.0

    public init() {}

    /// - Parameters:
    ///   - ranking: documents, best first.
    ///   - relevance: of the documents that were judged; above 0 is relevant.
    public init(ranking: [String], relevance: [String: Int], k: Int) {
        let gains = ranking.prefix(k).map { max(relevance[$0] ?? 0, 0) }
        let ideal = relevance.values.filter { $0 > 0 }.sorted(by: >)
        guard !ideal.isEmpty else { return }
        var found = 0
        for (rank, gain) in gains.enumerated() where gain > 0 {
            found += 1
            if found == 1 { reciprocalRank = 1 / Double(rank + 1) }
            averagePrecision += Double(found) / Double(rank + 1)
        }
        averagePrecision /= Double(ideal.count)
        hitRate = found > 0 ? 1 : 0
        recall = Double(found) / Double(ideal.count)
        ndcg = RetrievalMetrics.discounted(gains) / RetrievalMetrics.discounted(Array(ideal.prefix(k)))
    }

    private static func discounted(_ gains: [Int]) -> Double {
        gains.enumerated().reduce(0) { $0 + Double($1.element) / log2(Double($1.offset + 2)) }
    }

    /// The means over queries.
    public static func mean(_ all: [RetrievalMetrics]) -> RetrievalMetrics {
        var mean = RetrievalMetrics()
        guard !all.isEmpty else { return mean }
        for (_, path) in measures {
            mean[keyPath: path] = all.reduce(0) { $0 + $1[keyPath: path] } / Double(all.count)
        }
        return mean
    }

    /// Every measure with the name that outputs have for it.
    public static var measures: [(name: String, path: WritableKeyPath<RetrievalMetrics, Double>)] {
        [
            ("hit_rate", \.hitRate), ("recall", \.recall), ("mrr", \.reciprocalRank), ("map", \.averagePrecision),
            ("ndcg", \.ndcg),
        ]
    }
}

/// Intervals and tests by drawing queries again. (Efron and Tibshirani, 1993)
public enum Bootstrap {
    /// The middle 95 % of the means of `rounds` samples drawn with replacement; the same for the same values.
    public static func interval(_ values: [Double], rounds: Int = 2000) -> ClosedRange<Double> {
        guard !values.isEmpty else { return 0...0 }
        var generator = SplitMix(state: 1)
        let means = (0..<rounds).map { _ in
            (0..<values.count).reduce(0.0) { sum, _ in sum + values[generator.next(below: values.count)] }
                / Double(values.count)
        }.sorted()
        return means[rounds / 40]...means[rounds - 1 - rounds / 40]
    }

    /// The share of sign changes of the paired differences whose mean is as far from 0 as the one seen (a randomisation
    /// test, two-sided).
    public static func pairedProbability(_ first: [Double], _ second: [Double], rounds: Int = 2000) -> Double {
        precondition(first.count == second.count, "pairs of \(first.count) and \(second.count) values")
        let differences = zip(first, second).map { $0 - $1 }
        let seen = abs(differences.reduce(0, +))
        var generator = SplitMix(state: 2)
        let beyond = (0..<rounds).count { _ in
            let sum = differences.reduce(0.0) { $0 + (generator.next(below: 2) == 0 ? $1 : -$1) }
            return abs(sum) >= seen - 1e-12
        }
        return Double(beyond + 1) / Double(rounds + 1)
    }
}

/// SplitMix64, so that intervals are the same every time. (Steele, Lea and Flood, 2014)
package struct SplitMix {
    package var state: UInt64

    package init(state: UInt64) { self.state = state }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    /// The bias of the product is below 2^-40 for what a collection may count.
    package mutating func next(below bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }
}
