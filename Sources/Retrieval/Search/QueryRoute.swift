/// Which arms a query is best served by, by a rule that can be read:
///
/// 1. Quotes, `AND`, `OR`, `NOT` ask for words: lexical.
/// 2. Words that are all identifiers (with a digit, an underscore, a capital inside, or capitals alone) are found as they are
///    spelled: lexical.
/// 3. None of the words that matter stands in the collection: dense, where there are vectors.
/// 4. Anything else: every arm there is.
struct QueryRoute {
    let reader: CollectionReader
    let hasEmbedder: Bool
    /// Whether chunks have one vector each.
    let hasVectors: Bool
    let hasGraph: Bool
    let readsConditions: Bool

    func mode(of query: String) throws -> SearchMode {
        let analyzer = reader.settings.analyzer
        guard hasEmbedder || hasGraph else { return .lexical }
        if readsConditions {
            if case .words = try LexicalQuery(query, analyzer: analyzer) {
            } else {
                return .lexical
            }
        }
        let words = query.split(whereSeparator: \.isWhitespace)
        if !words.isEmpty, words.allSatisfy(QueryRoute.isIdentifier) { return .lexical }
        let terms = analyzer.contentTerms(in: query)
        let isKnown = try terms.contains { try reader.lexical.postings(of: $0).contains { $0 != nil } }
        return isKnown || !hasVectors ? .hybrid : .dense
    }

    private static func isIdentifier(_ word: Substring) -> Bool {
        let letters = word.filter(\.isLetter)
        if word.contains(where: { $0.isNumber || $0 == "_" }) { return true }
        if letters.count > 1, letters.allSatisfy(\.isUppercase) { return true }
        return letters.dropFirst().contains(where: \.isUppercase)
    }
}
