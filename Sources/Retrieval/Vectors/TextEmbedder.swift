/// Turns texts into vectors of one size; what a collection needs of an embedding model.
public protocol TextEmbedder: Sendable {
    /// How the model was named.
    var name: String { get }
    /// Tells models under the same name apart.
    var fingerprint: String { get }
    /// Numbers of a vector.
    var dimensionCount: Int { get }
    /// Most tokens of a text, special ones included.
    var maximumTokenCount: Int { get }

    /// Tokens of a text, without special ones.
    func tokenCount(of text: String) throws -> Int

    /// One normalised vector a text; longer texts are cut off. Blocks.
    /// - Parameter isQuery: questions may get another instruction than documents.
    func embed(_ texts: [String], isQuery: Bool) async throws -> [[Float]]
}

/// Scores pairs of a query and a text anew; the higher, the better.
public protocol TextReranker: Sendable {
    func score(query: String, texts: [String]) async throws -> [Double]
}
