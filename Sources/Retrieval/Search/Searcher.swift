public import TensorCore

/// Searches a collection as it was when it was opened.
public final class Searcher {
    public let reader: CollectionReader
    private let embedder: (any TextEmbedder)?
    private let reranker: (any TextReranker)?
    private let backend: (any Backend)?
    /// Vectors are read when the first search needs them.
    private var dense: DenseIndex?
    private var multiVector: MultiVectorIndex?
    private var isGraphThere: Bool?
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
            // A malformed query is an error in an empty collection too.
            if options.readsConditions { _ = try LexicalQuery(query, analyzer: reader.settings.analyzer) }
            return SearchRanking()
        }
        let allowed = try options.filter.map { try reader.chunks(matching: $0) }
        let reranker = options.reranks ? reranker : nil
        var mode = options.mode
        if mode == .auto {
            mode = try QueryRoute(
                reader: reader, hasEmbedder: embedder != nil,
                hasVectors: embedder != nil && reader.settings.dimensionCount != nil, hasGraph: hasGraph(),
                readsConditions: options.readsConditions
            ).mode(of: query)
        }
        let arms = try self.arms(of: mode)
        let isFinal = mode.arm != nil && reranker == nil
        let wanted = min(isFinal ? options.count : max(options.count, options.candidateCount), reader.chunkCount)
        var ranking = SearchRanking()
        if arms.contains(.lexical) {
            ranking.arms[.lexical] = try lexical(query, options, count: wanted, allowed: allowed)
        }
        if arms.contains(.graph) {
            ranking.arms[.graph] = try GraphSearch(reader).search(
                query, hops: options.graphHops, count: wanted, allowed: allowed)
        }
        if arms.contains(where: \.needsEmbedder) {
            try await addVectorArms(arms, query, options, count: wanted, allowed: allowed, to: &ranking)
        }
        if let arm = mode.arm {
            ranking.hits = ranking.arms[arm] ?? []
        } else {
            ranking.hits = options.fusion.fuse(
                ranking.arms, lexicalWeight: options.lexicalWeight, count: reranker == nil ? options.count : wanted)
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

    /// The arms that a mode asks.
    /// - Throws: ``RetrievalError`` where the collection or the embedder lacks the one that it names, and where there are no
    ///   vectors for several.
    private func arms(of mode: SearchMode) throws -> Set<SearchArm> {
        let settings = reader.settings
        var available: Set<SearchArm> = [.lexical]
        if mode == .graph || mode.arm == nil, try hasGraph() { available.insert(.graph) }
        if let embedder {
            if settings.dimensionCount != nil { available.insert(.dense) }
            if settings.hasTermWeights, embedder.givesTermWeights { available.insert(.sparse) }
            if let size = settings.tokenVectorSize, embedder.tokenVectorSize == size { available.insert(.multiVector) }
        }
        guard let arm = mode.arm else {
            guard embedder != nil || available.contains(.graph) else {
                throw RetrievalError.noVectors(path: reader.path)
            }
            return available
        }
        guard available.contains(arm) else {
            switch arm {
            case .sparse where embedder != nil: throw RetrievalError.noTermWeights(path: reader.path)
            case .graph: throw RetrievalError.noGraph(path: reader.path)
            case .dense where embedder != nil: throw RetrievalError.noDenseVectors(path: reader.path)
            case .multiVector where embedder != nil: throw RetrievalError.noTokenVectors(path: reader.path)
            default: throw RetrievalError.noVectors(path: reader.path)
            }
        }
        return [arm]
    }

    private func hasGraph() throws -> Bool {
        let known = try isGraphThere ?? reader.hasGraph
        isGraphThere = known
        return known
    }

    private func addVectorArms(
        _ arms: Set<SearchArm>, _ query: String, _ options: SearchOptions, count: Int, allowed: Set<Int64>?,
        to ranking: inout SearchRanking
    ) async throws {
        guard let embedder else { throw RetrievalError.noVectors(path: reader.path) }
        let encoded = try await encode(query, options.passages, by: embedder)
        if arms.contains(.dense) {
            ranking.arms[.dense] = try vectorHits(
                encoded.vector, options.vectorSearch, count: count, allowed: allowed)
        }
        if arms.contains(.sparse) {
            ranking.arms[.sparse] = try reader.lexical.search(
                termWeights: encoded.termWeights, count: count, allowed: allowed)
        }
        if arms.contains(.multiVector) {
            guard let index = try multiVector ?? backend.map({ try MultiVectorIndex(reader, on: $0) }) else {
                throw RetrievalError.noVectors(path: reader.path)
            }
            multiVector = index
            // Comparing every token of every chunk is dear: beside other arms of the embedder it ranks what all have found.
            let candidates = Set(ranking.arms.values.joined().map(\.chunk))
            ranking.arms[.multiVector] =
                arms.isDisjoint(with: [.dense, .sparse])
                ? try index.search(encoded.tokenVectors, count: count, allowed: allowed)
                : try Array(index.rank(Array(candidates), encoded.tokenVectors).prefix(count))
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
