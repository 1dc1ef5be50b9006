import Glibc

/// How a term that occurs in a document adds to the document's score.
public enum LexicalScoring: Sendable, Hashable {
    /// Okapi BM25 as Lucene computes it: `idf · f / (f + k1 · (1 - b + b · length / average))` with
    /// `idf = log(1 + (N - n + 0.5) / (n + 0.5))`. (Robertson and Zaragoza, 2009; Kamphuis et al., 2020)
    case bm25(k1: Double = 1.2, b: Double = 0.75)
    /// `f · log(N / n)`, the plain product of term frequency and logarithmic inverse document frequency.
    case tfIDF

    /// - Throws: ``RetrievalError/invalidParameter(name:value:expected:)``.
    public func validate() throws {
        guard case .bm25(let k1, let b) = self else { return }
        guard k1.isFinite, k1 >= 0, k1 <= 1000 else {
            throw RetrievalError.invalidParameter(name: "--k1", value: "\(k1)", expected: "a number from 0 to 1000")
        }
        guard b >= 0, b <= 1 else {
            throw RetrievalError.invalidParameter(name: "--b", value: "\(b)", expected: "a number from 0 to 1")
        }
    }

    /// The inverse document frequency of a term that occurs in `count` of `total` documents.
    func inverseDocumentFrequency(count: Int, of total: Int) -> Double {
        switch self {
        case .bm25: log(1 + (Double(total - count) + 0.5) / (Double(count) + 0.5))
        case .tfIDF: log(Double(total) / Double(count))
        }
    }
}
