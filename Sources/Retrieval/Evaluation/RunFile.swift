/// TREC's run files: `query Q0 document rank score tag` a line.
public enum RunFile {
    /// Reads a run; queries come in the order in which the file first names them. The rank column is not looked at, as
    /// TREC's programs do not.
    /// - Throws: ``RetrievalError/invalidLine(path:line:reason:)``.
    public static func parse(_ text: String, path: String) throws -> [RankedDocuments] {
        var places: [String: Int] = [:]
        var rankings: [RankedDocuments] = []
        var seen: [Set<String>] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let columns = line.split(whereSeparator: \.isWhitespace)
            guard !columns.isEmpty else { continue }
            func failure(_ reason: String) -> RetrievalError {
                .invalidLine(path: path, line: index + 1, reason: reason)
            }
            guard columns.count == 6 else {
                throw failure("\(columns.count) columns; expected 'query Q0 document rank score tag'")
            }
            guard let score = Double(columns[4]), score.isFinite else {
                throw failure("the score '\(columns[4])' is no number")
            }
            let (query, document) = (String(columns[0]), String(columns[2]))
            let place = places[query] ?? rankings.count
            if place == rankings.count {
                places[query] = place
                rankings.append(RankedDocuments(query: query, documents: []))
                seen.append([])
            }
            guard seen[place].insert(document).inserted else {
                throw failure("the document '\(document)' was ranked for query '\(query)' before")
            }
            rankings[place].documents.append((document, score))
        }
        guard !rankings.isEmpty else {
            throw RetrievalError.invalidLine(path: path, line: 1, reason: "the file holds no ranking")
        }
        return rankings
    }
}
