/// The settings that a collection was made with, which hold for all its documents.
public struct CollectionSettings: Sendable, Hashable {
    public var analyzer: Analyzer
    /// The embedder, as it was named; `nil`: the collection is lexical only.
    public var embedder: String?
    /// Tells another embedder under the same name: a digest of what decides its vectors.
    public var embedderFingerprint: String?
    /// The number of components of a vector; `nil` where there are no vectors.
    public var dimensionCount: Int?
    /// How those are kept.
    public var vectorFormat: VectorFormat
    /// Whether the embedder's weights of terms are indexed too.
    public var hasTermWeights: Bool
    /// Numbers of the vector of a token; `nil` where chunks have none of their tokens.
    public var tokenVectorSize: Int?

    public init(
        analyzer: Analyzer = .unicode, embedder: String? = nil, embedderFingerprint: String? = nil,
        dimensionCount: Int? = nil, vectorFormat: VectorFormat = .float16, hasTermWeights: Bool = false,
        tokenVectorSize: Int? = nil
    ) {
        self.analyzer = analyzer
        self.embedder = embedder
        self.embedderFingerprint = embedderFingerprint
        self.dimensionCount = dimensionCount
        self.vectorFormat = vectorFormat
        self.hasTermWeights = hasTermWeights
        self.tokenVectorSize = tokenVectorSize
    }

    var entries: [(name: String, value: String?)] {
        [
            ("analyzer", analyzer.segmentation.rawValue), ("stemmer", analyzer.stemmer?.language),
            ("embedder", embedder),
            ("embedder_fingerprint", embedderFingerprint), ("dimensions", dimensionCount.map(String.init)),
            // Collections of earlier versions have FP16 vectors and do not say so.
            ("vector_format", vectorFormat == .float16 ? nil : vectorFormat.rawValue),
            ("sparse", hasTermWeights ? "yes" : nil), ("token_vectors", tokenVectorSize.map(String.init)),
        ]
    }

    /// - Throws: ``RetrievalError/notACollection(path:reason:)``, and where the stemmer is not to be had.
    init(_ entries: [String: String], path: String) throws {
        guard let name = entries["analyzer"], let segmentation = Analyzer.Segmentation(rawValue: name) else {
            throw RetrievalError.notACollection(path: path, reason: "its analyzer is unknown")
        }
        let dimensionCount = entries["dimensions"].flatMap(Int.init)
        let tokenVectorSize = entries["token_vectors"].map { Int($0) ?? 0 }
        let hasVectors = dimensionCount != nil || tokenVectorSize != nil || entries["sparse"] == "yes"
        guard dimensionCount.map({ (1...(1 << 16)).contains($0) }) ?? true, hasVectors == (entries["embedder"] != nil)
        else { throw RetrievalError.notACollection(path: path, reason: "the size of its vectors is missing") }
        guard let vectorFormat = VectorFormat(rawValue: entries["vector_format"] ?? VectorFormat.float16.rawValue)
        else { throw RetrievalError.notACollection(path: path, reason: "the format of its vectors is unknown") }
        guard tokenVectorSize.map({ (1...(1 << 16)).contains($0) }) ?? true else {
            throw RetrievalError.notACollection(path: path, reason: "the size of its token vectors is wrong")
        }
        self.init(
            analyzer: Analyzer(segmentation, stemmer: try entries["stemmer"].map { try Stemmer(language: $0) }),
            embedder: entries["embedder"], embedderFingerprint: entries["embedder_fingerprint"],
            dimensionCount: dimensionCount, vectorFormat: vectorFormat, hasTermWeights: entries["sparse"] == "yes",
            tokenVectorSize: tokenVectorSize)
    }
}
