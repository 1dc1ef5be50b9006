/// Runs the queries of a judged collection and measures the rankings.
public struct RetrievalEvaluation {
    public struct Query: Sendable {
        public var id: String
        public var text: String

        public init(id: String, text: String) {
            self.id = id
            self.text = text
        }
    }

    public struct Result: Sendable {
        public var k: Int
        public var mean: RetrievalMetrics
        /// One ranking for each query, in the order of the queries.
        public var queries: [(id: String, metrics: RetrievalMetrics)]
        public var rankings: [RankedDocuments]
        /// Seconds of the search alone, for each query.
        public var seconds: [Double]

        public init(
            k: Int, mean: RetrievalMetrics, queries: [(id: String, metrics: RetrievalMetrics)],
            rankings: [RankedDocuments], seconds: [Double]
        ) {
            self.k = k
            self.mean = mean
            self.queries = queries
            self.rankings = rankings
            self.seconds = seconds
        }
    }

    private let searcher: Searcher
    private var documentKeys: [Int64: String] = [:]

    public init(_ searcher: Searcher) { self.searcher = searcher }

    /// Queries without a judgement are left out, as TREC's programs do.
    /// - Parameters:
    ///   - depth: documents of each ranking; at least `k` are ranked.
    ///   - onQuery: called before each query with how many are done.
    public mutating func run(
        _ queries: [Query], _ judgements: Judgements, _ options: SearchOptions, k: Int, depth: Int = 100,
        onQuery: (Int, Int) -> Void = { _, _ in }
    ) async throws -> Result {
        let judged = queries.filter { judgements.relevance[$0.id] != nil }
        var options = options
        options.count = max(k, depth)
        options.candidateCount = max(options.candidateCount, options.count)
        options.readsConditions = false
        var result = Result(k: k, mean: RetrievalMetrics(), queries: [], rankings: [], seconds: [])
        // One search comes first, so that what the collection reads once does not count as time of the first query.
        if let first = judged.first { _ = try await searcher.hits(first.text, options) }
        for (index, query) in judged.enumerated() {
            onQuery(index, judged.count)
            let start = ContinuousClock.now
            let hits = try await searcher.hits(query.text, options)
            result.seconds.append((ContinuousClock.now - start) / .seconds(1))
            // A document is as good as its best chunk.
            var scores: [String: Double] = [:]
            for hit in hits {
                let key = try key(of: hit.chunk)
                scores[key] = max(scores[key] ?? -.infinity, hit.score)
            }
            let ranked = RankedDocuments(query: query.id, documents: scores.map { ($0.key, $0.value) })
            result.rankings.append(ranked)
            result.queries.append(
                (
                    query.id,
                    RetrievalMetrics(
                        ranking: ranked.ranking, relevance: judgements.relevance[query.id] ?? [:], k: k)
                ))
        }
        result.mean = RetrievalMetrics.mean(result.queries.map(\.metrics))
        return result
    }

    /// What the arms find for judged queries, from which the weights of a fusion can be learned.
    /// - Parameter options: of a search by several arms.
    public mutating func fusionExamples(
        _ queries: [Query], _ judgements: Judgements, _ options: SearchOptions,
        onQuery: (Int, Int) -> Void = { _, _ in }
    ) async throws -> [FusionTrainer.Example] {
        let judged = queries.filter { judgements.relevance[$0.id] != nil }
        var options = options
        options.readsConditions = false
        options.reranks = false
        var examples: [FusionTrainer.Example] = []
        for (index, query) in judged.enumerated() {
            onQuery(index, judged.count)
            let arms = try await searcher.ranking(query.text, options).arms
            var documents: [Int64: String] = [:]
            for hit in arms.values.joined() where documents[hit.chunk] == nil {
                documents[hit.chunk] = try key(of: hit.chunk)
            }
            examples.append(
                FusionTrainer.Example(
                    arms: arms, documents: documents, relevance: judgements.relevance[query.id] ?? [:]))
        }
        return examples
    }

    private mutating func key(of chunk: Int64) throws -> String {
        if let known = documentKeys[chunk] { return known }
        let key = try searcher.reader.chunk(chunk).key
        documentKeys[chunk] = key
        return key
    }
}
