public import TensorCore

/// Which arms a search uses.
public enum SearchMode: String, Sendable, CaseIterable {
    case lexical, dense, sparse
    /// All arms that the collection has.
    case hybrid
}

public struct SearchOptions: Sendable {
    public var mode: SearchMode
    /// Most chunks to return.
    public var count: Int
    public var scoring: LexicalScoring
    public var fusion: Fusion
    /// The weight of the lexical arm beside the dense one's 1.
    public var lexicalWeight: Double
    public var filter: DocumentFilter?
    /// Hits that each arm hands on, and that a reranker sees.
    public var candidateCount: Int
    /// Whether quotes and AND, OR, NOT are conditions; otherwise a query is a bag of words.
    public var readsConditions: Bool
    /// Whether the searcher's reranker, where it has one, scores the hits anew.
    public var reranks: Bool
    /// How vectors are compared.
    public var vectorSearch: VectorSearch
    /// What the lexical arm looks for in place of the query's own terms.
    var lexicalTerms: [String]?
    /// Made-up passages that the vector arms look for beside the query.
    var passages: [String] = []

    public init(
        mode: SearchMode, count: Int = 10, scoring: LexicalScoring = .bm25(), fusion: Fusion = .reciprocalRank(),
        lexicalWeight: Double = 1, filter: DocumentFilter? = nil, candidateCount: Int = 100,
        readsConditions: Bool = true, reranks: Bool = true,
        vectorSearch: VectorSearch = .exact
    ) {
        self.mode = mode
        self.count = count
        self.scoring = scoring
        self.fusion = fusion
        self.lexicalWeight = lexicalWeight
        self.filter = filter
        self.candidateCount = candidateCount
        self.readsConditions = readsConditions
        self.reranks = reranks
        self.vectorSearch = vectorSearch
    }
}

/// What a search found, and what its arms did.
public struct SearchRanking: Sendable {
    /// Best first.
    public var hits: [Hit] = []
    /// `nil`: not asked.
    public var lexical: [Hit]?
    /// Scores are cosines. `nil`: not asked.
    public var dense: [Hit]?
    /// `nil`: not asked.
    public var sparse: [Hit]?
}

/// Searches a collection as it was when it was opened.
public final class Searcher {
    public let reader: CollectionReader
    private let embedder: (any TextEmbedder)?
    private let reranker: (any TextReranker)?
    private let backend: (any Backend)?
    /// What vector searches need is read when the first one comes.
    private var dense: DenseIndex?
    private var table: VectorTable?
    private var approximate: [ApproximateKind: ApproximateIndex] = [:]

    /// - Parameters:
    ///   - embedder: for dense and hybrid searches; the one that the collection was made with.
    ///   - backend: where vectors are compared; for this searcher alone.
    /// - Throws: ``RetrievalError`` where the embedder is another.
    public init(
        _ reader: CollectionReader, embedder: (any TextEmbedder)? = nil, reranker: (any TextReranker)? = nil,
        on backend: (any Backend)? = nil
    ) throws {
        self.reader = reader
        self.embedder = embedder
        self.reranker = reranker
        if let embedder {
            guard let stored = reader.settings.embedderFingerprint else {
                throw RetrievalError.noVectors(path: reader.path)
            }
            guard stored == embedder.fingerprint, reader.settings.dimensionCount == embedder.dimensionCount else {
                throw RetrievalError.settingDiffers(
                    path: reader.path, name: "embedder", stored: reader.settings.embedder ?? stored,
                    requested: embedder.name)
            }
        }
        self.backend = embedder == nil ? nil : backend
    }

    /// The best chunks for a query, best first. Blocks.
    /// - Throws: ``RetrievalError``, and what the embedder throws.
    public func hits(_ query: String, _ options: SearchOptions) async throws -> [Hit] {
        try await ranking(query, options).hits
    }

    /// As ``hits(_:_:)``, with what each arm found before fusion and reranking.
    public func ranking(_ query: String, _ options: SearchOptions) async throws -> SearchRanking {
        guard options.count > 0 else {
            throw RetrievalError.invalidParameter(name: "--top-k", value: "\(options.count)", expected: "1 or more")
        }
        try options.scoring.validate()
        guard reader.chunkCount > 0 else {
            // A query that is not well formed is told all the same.
            if options.readsConditions { _ = try LexicalQuery(query, analyzer: reader.settings.analyzer) }
            return SearchRanking()
        }
        let allowed = try options.filter.map { try reader.chunks(matching: $0) }
        let reranker = options.reranks ? reranker : nil
        let isFinal = options.mode != .hybrid && reranker == nil
        let wanted = min(isFinal ? options.count : max(options.count, options.candidateCount), reader.chunkCount)
        var ranking = SearchRanking()
        if options.mode == .lexical || options.mode == .hybrid {
            ranking.lexical = try lexical(query, options, count: wanted, allowed: allowed)
        }
        if options.mode != .lexical {
            try await addVectorArms(query, options, count: wanted, allowed: allowed, to: &ranking)
        }
        switch options.mode {
        case .lexical: ranking.hits = ranking.lexical ?? []
        case .dense: ranking.hits = ranking.dense ?? []
        case .sparse: ranking.hits = ranking.sparse ?? []
        case .hybrid:
            var arms = [(ranking.lexical ?? [], options.lexicalWeight), (ranking.dense ?? [], 1.0)]
            if let sparse = ranking.sparse { arms.append((sparse, 1.0)) }
            ranking.hits = options.fusion.fuse(arms, count: reranker == nil ? options.count : wanted)
        }
        if reranker != nil { ranking.hits = try await reranked(ranking.hits, query) }
        ranking.hits = Array(ranking.hits.prefix(options.count))
        return ranking
    }

    var hasReranker: Bool { reranker != nil }

    /// The hits with the reranker's scores, best first.
    func reranked(_ hits: [Hit], _ query: String) async throws -> [Hit] {
        guard let reranker else { return hits }
        let texts = try hits.map { try reader.chunk($0.chunk).chunk.indexedText }
        let scores = try await reranker.score(query: query, texts: texts)
        return zip(hits, scores).map { Hit(chunk: $0.chunk, score: $1) }.sorted(by: Hit.precedes)
    }

    /// As ``hits(_:_:)``, with what the chunks say.
    public func search(_ query: String, _ options: SearchOptions) async throws -> [(chunk: FoundChunk, score: Double)] {
        try await hits(query, options).map { (try reader.chunk($0.chunk), $0.score) }
    }

    private func lexical(
        _ query: String, _ options: SearchOptions, count: Int, allowed: Set<Int64>?
    ) throws -> [Hit] {
        let analyzer = reader.settings.analyzer
        guard options.readsConditions else {
            return try reader.lexical.search(
                terms: options.lexicalTerms ?? analyzer.terms(in: query), scoring: options.scoring, count: count,
                allowed: allowed)
        }
        let parsed = try LexicalQuery(query, analyzer: analyzer)
        var allowed = allowed
        if case .words = parsed {
        } else {
            let matching = try ConditionMatcher(index: reader.lexical).matches(parsed)
            allowed = allowed.map { $0.intersection(matching) } ?? matching
        }
        return try reader.lexical.search(
            terms: parsed.scoredTerms, scoring: options.scoring, count: count, allowed: allowed)
    }

    private func addVectorArms(
        _ query: String, _ options: SearchOptions, count: Int, allowed: Set<Int64>?, to ranking: inout SearchRanking
    ) async throws {
        guard let embedder else { throw RetrievalError.noVectors(path: reader.path) }
        let mode = options.mode
        let hasTermWeights = reader.settings.hasTermWeights && embedder.givesTermWeights
        guard hasTermWeights || mode != .sparse else { throw RetrievalError.noTermWeights(path: reader.path) }
        let encoded = try await encode(query, options.passages, by: embedder)
        if mode != .sparse {
            ranking.dense = try vectorHits(encoded.vector, options.vectorSearch, count: count, allowed: allowed)
        }
        if mode != .dense, hasTermWeights {
            ranking.sparse = try reader.lexical.search(
                termWeights: encoded.termWeights, count: count, allowed: allowed)
        }
    }

    private func vectorHits(
        _ vector: [Float], _ search: VectorSearch, count: Int, allowed: Set<Int64>?
    ) throws -> [Hit] {
        guard let kind = search.kind else {
            let index = try dense ?? backend.map { try DenseIndex(reader, on: $0) }
            guard let index else { throw RetrievalError.noVectors(path: reader.path) }
            dense = index
            return try index.search(vector, count: count, allowed: allowed)
        }
        if approximate[kind] == nil {
            let table = try self.table ?? VectorTable(reader)
            self.table = table
            approximate[kind] = try reader.approximateIndex(kind, over: table)
        }
        guard let index = approximate[kind] else {
            throw RetrievalError.noApproximateIndex(path: reader.path, kind: kind.rawValue)
        }
        return index.search(vector, search, count: count, allowed: allowed)
    }
}
