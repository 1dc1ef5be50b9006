/// The settings that a collection was made with, which hold for all its documents.
public struct CollectionSettings: Sendable, Hashable {
    public var analyzer: Analyzer
    /// The embedder, as it was named; `nil`: the collection is lexical only.
    public var embedder: String?
    /// Tells another embedder under the same name: a digest of what decides its vectors.
    public var embedderFingerprint: String?
    /// The number of components of a vector; `nil` where there are no vectors.
    public var dimensionCount: Int?
    /// Whether the embedder's weights of terms are indexed too.
    public var hasTermWeights: Bool
    /// Numbers of the vector of a token; `nil` where chunks have none of their tokens.
    public var tokenVectorSize: Int?

    public init(
        analyzer: Analyzer = .unicode, embedder: String? = nil, embedderFingerprint: String? = nil,
        dimensionCount: Int? = nil, hasTermWeights: Bool = false, tokenVectorSize: Int? = nil
    ) {
        self.analyzer = analyzer
        self.embedder = embedder
        self.embedderFingerprint = embedderFingerprint
        self.dimensionCount = dimensionCount
        self.hasTermWeights = hasTermWeights
        self.tokenVectorSize = tokenVectorSize
    }

    var entries: [(name: String, value: String?)] {
        [
            ("analyzer", analyzer.rawValue), ("embedder", embedder),
            ("embedder_fingerprint", embedderFingerprint), ("dimensions", dimensionCount.map(String.init)),
            ("sparse", hasTermWeights ? "yes" : nil), ("token_vectors", tokenVectorSize.map(String.init)),
        ]
    }

    /// - Throws: ``RetrievalError/notACollection(path:reason:)``.
    init(_ entries: [String: String], path: String) throws {
        guard let name = entries["analyzer"], let analyzer = Analyzer(rawValue: name) else {
            throw RetrievalError.notACollection(path: path, reason: "its analyzer is unknown")
        }
        let dimensionCount = entries["dimensions"].flatMap(Int.init)
        guard dimensionCount.map({ (1...(1 << 16)).contains($0) }) ?? (entries["embedder"] == nil) else {
            throw RetrievalError.notACollection(path: path, reason: "the size of its vectors is missing")
        }
        let tokenVectorSize = entries["token_vectors"].map { Int($0) ?? 0 }
        guard tokenVectorSize.map({ (1...(1 << 16)).contains($0) }) ?? true else {
            throw RetrievalError.notACollection(path: path, reason: "the size of its token vectors is wrong")
        }
        self.init(
            analyzer: analyzer, embedder: entries["embedder"], embedderFingerprint: entries["embedder_fingerprint"],
            dimensionCount: dimensionCount, hasTermWeights: entries["sparse"] == "yes",
            tokenVectorSize: tokenVectorSize)
    }
}
