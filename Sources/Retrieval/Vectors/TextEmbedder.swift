/// Turns texts into vectors of one size. This is what a collection needs of an embedding model.
public protocol TextEmbedder: Sendable {
    /// The model's name, as the user gave it.
    var name: String { get }
    /// Tells apart models that have the same name.
    var fingerprint: String { get }
    /// The number of components of a vector; `nil` for a model that gives a text no vector, only weights of terms or vectors of
    /// tokens.
    var dimensionCount: Int? { get }
    /// The most tokens of a text, special ones included.
    var maximumTokenCount: Int { get }

    /// The number of tokens of a text, without special ones.
    func tokenCount(of text: String) throws -> Int

    /// One normalised vector a text, empty where ``dimensionCount`` is `nil`; longer texts are cut off. Blocks.
    /// - Parameter isQuery: questions may get another instruction than documents.
    func embed(_ texts: [String], isQuery: Bool) async throws -> [[Float]]

    /// Whether ``encode(_:isQuery:)`` gives weights of terms beside the vectors.
    var givesTermWeights: Bool { get }

    /// Numbers of each token's vector, for models that give a text one a token; `nil`: none.
    var tokenVectorSize: Int? { get }

    /// As ``embed(_:isQuery:)``, with weights of terms and vectors of tokens.
    func encode(_ texts: [String], isQuery: Bool) async throws -> [EncodedText]
}

extension TextEmbedder {
    public var givesTermWeights: Bool { false }
    public var tokenVectorSize: Int? { nil }

    public func encode(_ texts: [String], isQuery: Bool) async throws -> [EncodedText] {
        try await embed(texts, isQuery: isQuery).map { EncodedText(vector: $0) }
    }
}

/// The outputs of an embedder for a text.
public struct EncodedText: Sendable {
    public var vector: [Float]
    /// How much each token says of the text, as learned sparse models give it (SPLADE, Formal et al., 2021; BGE-M3, Chen et
    /// al., 2024): by token id, above 0.
    public var termWeights: [Int: Double]
    /// A vector for each token, as models of late interaction give them (ColBERT, Khattab and Zaharia, 2020):
    /// `[tokens, tokenVectorSize]`.
    public var tokenVectors: [Float]

    public init(vector: [Float], termWeights: [Int: Double] = [:], tokenVectors: [Float] = []) {
        self.vector = vector
        self.termWeights = termWeights
        self.tokenVectors = tokenVectors
    }
}

/// Scores pairs of a query and a text anew; the higher, the better.
public protocol TextReranker: Sendable {
    func score(query: String, texts: [String]) async throws -> [Double]
}
