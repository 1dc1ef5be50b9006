public import Inference

/// Static embeddings as a collection uses them: the vector of a text is the mean of its words' vectors, brought to length 1.
public struct WordVectorEmbedder: TextEmbedder {
    private let vectors: WordVectors

    public init(_ vectors: WordVectors) { self.vectors = vectors }

    public var name: String { vectors.name }
    public var fingerprint: String { "words-" + String(vectors.fingerprint, radix: 16) }
    public var dimensionCount: Int? { vectors.dimensions }
    /// A mean has no limit; the longer a text, the less it says.
    public var maximumTokenCount: Int { 512 }

    public func tokenCount(of text: String) throws -> Int { vectors.words(in: text).count }

    public func embed(_ texts: [String], isQuery: Bool) async throws -> [[Float]] {
        texts.map { text in
            let vector = vectors.embed(text)
            let length = vector.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            return length > 0 ? vector.map { Float(Double($0) / length) } : vector
        }
    }
}
