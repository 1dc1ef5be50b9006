import Retrieval

/// An embedder whose vectors count words by their hash, and whose weights of terms tell how often a word is there.
struct WordEmbedder: TextEmbedder {
    var name = "words"
    var fingerprint = "w1"
    var size = 24
    var dimensionCount: Int? { size }
    var maximumTokenCount = 512
    var givesTermWeights = true

    func tokenCount(of text: String) throws -> Int { Analyzer.simple.terms(in: text).count }

    static func token(_ word: String) -> Int {
        word.utf8.reduce(7) { ($0 &* 31 &+ Int($1)) & 0xFFFF }
    }

    func embed(_ texts: [String], isQuery: Bool) async throws -> [[Float]] {
        texts.map { text in
            var vector = [Float](repeating: 0.01, count: size)
            for word in Analyzer.simple.terms(in: text) { vector[Self.token(word) % size] += 1 }
            let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return vector.map { $0 / length }
        }
    }

    static func weights(_ text: String) -> [Int: Double] {
        var weights: [Int: Double] = [:]
        for word in Analyzer.simple.terms(in: text) { weights[token(word), default: 0] += 0.25 }
        return weights
    }

    func encode(_ texts: [String], isQuery: Bool) async throws -> [EncodedText] {
        zip(texts, try await embed(texts, isQuery: isQuery)).map { text, vector in
            EncodedText(vector: vector, termWeights: givesTermWeights ? Self.weights(text) : [:])
        }
    }
}
