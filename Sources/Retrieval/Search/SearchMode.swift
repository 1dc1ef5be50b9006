/// Which arms a search uses.
public enum SearchMode: String, Sendable, CaseIterable {
    case lexical, dense, sparse
    /// Late interaction over the vectors of tokens.
    case multiVector = "multi-vector"
    /// A walk through the knowledge graph from the entities that the query names.
    case graph
    /// All arms that the collection has.
    case hybrid
    /// Lexical, dense or all, as the query asks for: words that are spelled out, words that the collection lacks, or neither.
    case auto

    /// The one arm that it is; `nil`: several.
    public var arm: SearchArm? { SearchArm(rawValue: rawValue) }

    /// Whether a search of this collection compares what its embedder says of the query.
    public func needsEmbedder(in reader: CollectionReader) throws -> Bool {
        if let arm { return arm.needsEmbedder }
        if self == .auto { return reader.settings.embedder != nil }
        return try reader.settings.embedder != nil || !reader.hasGraph
    }
}

/// One way of finding chunks.
public enum SearchArm: String, Sendable, Hashable, CaseIterable {
    case lexical, dense, sparse
    case multiVector = "multi-vector"
    case graph

    /// Whether it compares what an embedder says of the query.
    var needsEmbedder: Bool {
        switch self {
        case .lexical, .graph: false
        case .dense, .sparse, .multiVector: true
        }
    }
}
