internal import Inference

/// Compares two runs over the same queries: by how much the first is better, and whether chance may explain it.
public struct RunComparison: Sendable {
    public struct Row: Sendable {
        public var measure: String
        /// The mean of the other run.
        public var other: Double
        /// The mean of the differences, first minus other.
        public var difference: Double
        /// A 95 % bootstrap interval of the mean difference.
        public var interval: ClosedRange<Double>
        /// The p-value of a two-sided randomisation test over the queries.
        public var probability: Double
    }

    public var rows: [Row]
    /// The queries that were compared: those of the first run. A query that the other run does not rank scores 0 there.
    public var queryCount: Int

    /// - Parameters:
    ///   - result: of the first run.
    ///   - other: rankings of the other, judged alike.
    public init(_ result: RetrievalEvaluation.Result, _ other: [RankedDocuments], _ judgements: Judgements) {
        let rankings = Dictionary(other.map { ($0.query, $0.ranking) }, uniquingKeysWith: { first, _ in first })
        let others = result.queries.map { query, _ in
            RetrievalMetrics(
                ranking: rankings[query] ?? [], relevance: judgements.relevance[query] ?? [:], k: result.k)
        }
        queryCount = result.queries.count
        rows = RetrievalMetrics.measures.map { name, path in
            let first = result.queries.map { $0.metrics[keyPath: path] }
            let second = others.map { $0[keyPath: path] }
            let differences = zip(first, second).map { $0 - $1 }
            let count = Double(max(differences.count, 1))
            return Row(
                measure: name, other: second.reduce(0, +) / count, difference: differences.reduce(0, +) / count,
                interval: Resampling.interval(differences), probability: Resampling.pairedProbability(first, second))
        }
    }
}
