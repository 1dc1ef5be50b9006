public import TensorCore

/// Which arms a search uses.
public enum SearchMode: String, Sendable, CaseIterable {
    case lexical, dense, hybrid
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

    public init(
        mode: SearchMode, count: Int = 10, scoring: LexicalScoring = .bm25(), fusion: Fusion = .reciprocalRank(),
        lexicalWeight: Double = 1, filter: DocumentFilter? = nil, candidateCount: Int = 100,
        readsConditions: Bool = true
    ) {
        self.mode = mode
        self.count = count
        self.scoring = scoring
        self.fusion = fusion
        self.lexicalWeight = lexicalWeight
        self.filter = filter
        self.candidateCount = candidateCount
        self.readsConditions = readsConditions
    }
}

/// Searches a collection as it was when it was opened.
public final class Searcher {
    public let reader: CollectionReader
    private let embedder: (any TextEmbedder)?
    private let reranker: (any TextReranker)?
    private let dense: DenseIndex?

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
        dense = try embedder == nil ? nil : backend.map { try DenseIndex(reader, on: $0) }
    }

    /// The best chunks for a query, best first. Blocks.
    /// - Throws: ``RetrievalError``, and what the embedder throws.
    public func hits(_ query: String, _ options: SearchOptions) async throws -> [Hit] {
        guard options.count > 0 else {
            throw RetrievalError.invalidParameter(name: "--top-k", value: "\(options.count)", expected: "1 or more")
        }
        try options.scoring.validate()
        guard reader.chunkCount > 0 else {
            // A query that is not well formed is told all the same.
            if options.readsConditions { _ = try LexicalQuery(query, analyzer: reader.settings.analyzer) }
            return []
        }
        let allowed = try options.filter.map { try reader.chunks(matching: $0) }
        let isFinal = options.mode != .hybrid && reranker == nil
        let wanted = min(isFinal ? options.count : max(options.count, options.candidateCount), reader.chunkCount)
        var hits: [Hit]
        switch options.mode {
        case .lexical: hits = try lexical(query, options, count: wanted, allowed: allowed)
        case .dense: hits = try await vectorHits(query, count: wanted, allowed: allowed)
        case .hybrid:
            let arms = [
                (try lexical(query, options, count: wanted, allowed: allowed), options.lexicalWeight),
                (try await vectorHits(query, count: wanted, allowed: allowed), 1.0),
            ]
            hits = options.fusion.fuse(arms, count: reranker == nil ? options.count : wanted)
        }
        if let reranker {
            let texts = try hits.map { try reader.chunk($0.chunk).chunk.indexedText }
            let scores = try await reranker.score(query: query, texts: texts)
            hits = zip(hits, scores).map { Hit(chunk: $0.chunk, score: $1) }.sorted(by: Hit.precedes)
        }
        return Array(hits.prefix(options.count))
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
                terms: analyzer.terms(in: query), scoring: options.scoring, count: count, allowed: allowed)
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

    private func vectorHits(_ query: String, count: Int, allowed: Set<Int64>?) async throws -> [Hit] {
        guard let embedder, let dense else { throw RetrievalError.noVectors(path: reader.path) }
        let vectors = try await embedder.embed([query], isQuery: true)
        return try dense.search(vectors[0], count: count, allowed: allowed)
    }
}
