/// The terms of a question that carry meaning, weighed by how rare they are in a collection.
struct QuestionTerms: Sendable {
    /// The terms, with their inverse document frequency in this collection.
    let weights: [String: Double]
    private let total: Double
    private let analyzer: Analyzer

    /// - Throws: ``RetrievalError`` where the collection is damaged.
    init(_ question: String, in reader: CollectionReader) throws {
        analyzer = reader.settings.analyzer
        var weights: [String: Double] = [:]
        for term in analyzer.contentTerms(in: question) {
            let count = try reader.lexical.postings(of: term).reduce(0) { $0 + ($1?.documentCount ?? 0) }
            weights[term] = LexicalScoring.bm25().inverseDocumentFrequency(count: count, of: reader.chunkCount)
        }
        self.weights = weights
        total = weights.values.reduce(0, +)
    }

    /// The share of the question's meaning that a text's terms cover, 0 to 1.
    func coverage(_ text: String) -> Double {
        guard total > 0 else { return 0 }
        var missing = weights
        analyzer.forEachTerm(in: text) { missing.removeValue(forKey: $0) }
        return 1 - missing.values.reduce(0, +) / total
    }
}
