internal import Inference

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
        let values = RankingMetrics.values(
            ranked: ranking.prefix(k).map { Double(relevance[$0] ?? 0) }, relevance: relevance.values.map(Double.init),
            k: k)
        for (measure, value) in zip(RetrievalMetrics.measures, values) { self[keyPath: measure.path] = value }
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
        let paths: [WritableKeyPath<RetrievalMetrics, Double>] = [
            \.hitRate, \.recall, \.reciprocalRank, \.averagePrecision, \.ndcg,
        ]
        return zip(RankingMetrics.names, paths).map { (name: $0, path: $1) }
    }
}
