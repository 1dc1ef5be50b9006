internal import Foundation

/// How well documents are ordered for a query, by the definitions of TREC's `trec_eval` at a cut-off.
public enum RankingMetrics {
    /// The names of the measures, in the order in which they are returned.
    public static let names = ["hit_rate", "recall", "mrr", "map", "ndcg"]

    /// The measures of one query, in the order of ``names``.
    /// - Parameters:
    ///   - scores: of the documents; equal ones keep their order.
    ///   - relevance: of the documents; above 0 is relevant.
    ///   - k: documents that count.
    public static func values(scores: [Double], relevance: [Double], k: Int) -> [Double] {
        values(ranked: scores.greatestIndices(k).map { relevance[$0] }, relevance: relevance, k: k)
    }

    /// The measures of one ranking, in the order of ``names``.
    /// - Parameters:
    ///   - ranked: the relevance of the ranked documents, best first; one that was not judged has 0.
    ///   - relevance: of all documents that were judged, in any order; above 0 is relevant.
    ///   - k: documents that count.
    public static func values(ranked: [Double], relevance: [Double], k: Int) -> [Double] {
        let gains = ranked.prefix(k).map { max($0, 0) }
        let ideal = relevance.filter { $0 > 0 }.sorted(by: >)
        guard !ideal.isEmpty else { return names.map { _ in 0 } }
        var found = 0
        var (reciprocalRank, precisionSum) = (0.0, 0.0)
        for (rank, gain) in gains.enumerated() where gain > 0 {
            found += 1
            if found == 1 { reciprocalRank = 1 / Double(rank + 1) }
            precisionSum += Double(found) / Double(rank + 1)
        }
        return [
            found > 0 ? 1 : 0, Double(found) / Double(ideal.count), reciprocalRank,
            precisionSum / Double(ideal.count), discounted(gains) / discounted(Array(ideal.prefix(k))),
        ]
    }

    private static func discounted(_ gains: [Double]) -> Double {
        gains.enumerated().reduce(0) { $0 + $1.element / log2(Double($1.offset + 2)) }
    }

    /// The means over queries.
    public static func measures(_ values: [[Double]]) -> [Measure] {
        names.enumerated().map { index, name in
            Measure(name, values.reduce(0) { $0 + $1[index] } / Double(max(values.count, 1)))
        }
    }
}
