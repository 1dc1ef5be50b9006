public struct SearchOptions: Sendable {
    public var mode: SearchMode
    /// At most so many chunks are returned.
    public var count: Int
    public var scoring: LexicalScoring
    public var fusion: Fusion
    /// The weight of the lexical arm beside the dense one's 1.
    public var lexicalWeight: Double
    public var filter: DocumentFilter?
    /// How many hits each arm passes to fusion, and a reranker scores.
    public var candidateCount: Int
    /// Whether quotes and AND, OR, NOT are conditions; otherwise a query is a bag of words.
    public var readsConditions: Bool
    /// Whether the searcher's reranker, where it has one, scores the hits anew.
    public var reranks: Bool
    /// How vectors are compared.
    public var vectorSearch: VectorSearch
    /// Relations that the graph arm follows from an entity of the query: 1 or 2.
    public var graphHops: Int
    /// What the lexical arm looks for in place of the query's own terms.
    var lexicalTerms: [String]?
    /// Made-up passages that the vector arms look for beside the query.
    var passages: [String] = []

    public init(
        mode: SearchMode, count: Int = 10, scoring: LexicalScoring = .bm25(), fusion: Fusion = .reciprocalRank(),
        lexicalWeight: Double = 1, filter: DocumentFilter? = nil, candidateCount: Int = 100,
        readsConditions: Bool = true, reranks: Bool = true,
        vectorSearch: VectorSearch = .exact, graphHops: Int = 2
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
        self.graphHops = graphHops
    }
}

/// The result of a search, with what each arm found.
public struct SearchRanking: Sendable {
    /// Best first.
    public var hits: [Hit] = []
    /// What each arm that was asked found, best first. Scores of the dense arm are cosines.
    public var arms: [SearchArm: [Hit]] = [:]

    /// `nil`: not asked.
    public var lexical: [Hit]? { arms[.lexical] }
    /// Scores are cosines. `nil`: not asked.
    public var dense: [Hit]? { arms[.dense] }
    /// `nil`: not asked.
    public var sparse: [Hit]? { arms[.sparse] }
}
