extension Searcher {
    /// The best chunks for all that a question was made into: each query is searched for, and what they find is fused by
    /// reciprocal rank, all with the same weight. A reranker goes by the question itself. Blocks.
    /// - Throws: ``RetrievalError``, and what the embedder throws.
    public func ranking(_ query: TransformedQuery, _ options: SearchOptions) async throws -> SearchRanking {
        var single = options
        single.passages = query.passages
        guard !query.others.isEmpty else { return try await ranking(query.question, single) }
        single.reranks = false
        single.count = max(options.count, min(options.candidateCount, max(reader.chunkCount, 1)))
        var ranking = SearchRanking()
        var arms: [(hits: [Hit], weight: Double)] = []
        for (place, text) in query.queries.enumerated() {
            // Passages answer the question, not its parts.
            if place == 1 { single.passages = [] }
            if options.lexicalTerms != nil {
                single.lexicalTerms = reader.settings.analyzer.contentTerms(in: text)
            }
            // Only the question itself may hold operators.
            if place > 0 { single.readsConditions = false }
            let found = try await self.ranking(text, single)
            arms.append((found.hits, 1))
            ranking.arms.merge(found.arms) { Searcher.union($0, $1) }
        }
        let reranks = options.reranks && hasReranker
        ranking.hits = Fusion.reciprocalRank().fuse(arms, count: reranks ? single.count : options.count)
        if reranks { ranking.hits = try await reranked(ranking.hits, query.question) }
        ranking.hits = Array(ranking.hits.prefix(options.count))
        return ranking
    }

    /// As ``ranking(_:_:)-(TransformedQuery,_)``, with what the chunks say.
    public func search(
        _ query: TransformedQuery, _ options: SearchOptions
    ) async throws -> [(chunk: FoundChunk, score: Double)] {
        try await ranking(query, options).hits.map { (try reader.chunk($0.chunk), $0.score) }
    }

    /// The hits of both, each with its better score, best first.
    private static func union(_ first: [Hit], _ second: [Hit]) -> [Hit] {
        var scores: [Int64: Double] = [:]
        for hit in first + second { scores[hit.chunk] = max(scores[hit.chunk] ?? -.infinity, hit.score) }
        return scores.map { Hit(chunk: $0.key, score: $0.value) }.sorted(by: Hit.precedes)
    }

    /// What the embedder says of a query: of its vector and its weights of terms the mean with those of made-up passages,
    /// while the vectors of tokens stay the query's own.
    func encode(_ query: String, _ passages: [String], by embedder: any TextEmbedder) async throws -> EncodedText {
        guard var encoded = try await embedder.encode([query], isQuery: true).first else {
            throw RetrievalError.noVectors(path: reader.path)
        }
        guard !passages.isEmpty else { return encoded }
        let others = try await embedder.encode(passages, isQuery: false)
        for other in others {
            for (index, value) in other.vector.enumerated() { encoded.vector[index] += value }
            for (term, weight) in other.termWeights { encoded.termWeights[term, default: 0] += weight }
        }
        let length = encoded.vector.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        if length > 0 { encoded.vector = encoded.vector.map { Float(Double($0) / length) } }
        encoded.termWeights = encoded.termWeights.mapValues { $0 / Double(others.count + 1) }
        return encoded
    }
}
