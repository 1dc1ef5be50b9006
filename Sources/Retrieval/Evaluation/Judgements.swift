/// Which documents are relevant for which queries, and how much. (TREC's qrels)
public struct Judgements: Sendable {
    /// Relevance by query and document; 0 and below: not relevant.
    public private(set) var relevance: [String: [String: Int]] = [:]

    /// Reads TREC's four columns (`query iteration document relevance`), three columns without the iteration, and the
    /// tables with a header line that BEIR has; columns stand apart by spaces or tabs.
    /// - Throws: ``RetrievalError/invalidLine(path:line:reason:)``.
    public init(parsing text: String, path: String) throws {
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let columns = line.split(whereSeparator: \.isWhitespace).map(String.init)
            guard !columns.isEmpty else { continue }
            guard columns.count == 3 || columns.count == 4 else {
                throw RetrievalError.invalidLine(
                    path: path, line: index + 1,
                    reason: "\(columns.count) columns; expected 'query iteration document relevance'")
            }
            guard let value = Int(columns[columns.count - 1]) else {
                if index == 0 { continue }
                throw RetrievalError.invalidLine(
                    path: path, line: index + 1, reason: "the relevance '\(columns[columns.count - 1])' is no integer")
            }
            relevance[columns[0], default: [:]][columns[columns.count - 2]] = value
        }
        guard !relevance.isEmpty else {
            throw RetrievalError.invalidLine(path: path, line: 1, reason: "the file holds no judgement")
        }
    }
}

/// One query's ranked documents. (A part of TREC's run files)
public struct RankedDocuments: Sendable {
    public var query: String
    /// In any order; they are ranked by score and, as TREC's programs do, equal ones by descending identifier.
    public var documents: [(id: String, score: Double)]

    public init(query: String, documents: [(id: String, score: Double)]) {
        self.query = query
        self.documents = documents
    }

    package var ranking: [String] { sorted.map(\.id) }

    /// Scores are compared as single-precision numbers, which is how TREC's programs keep them: what is equal there ranks
    /// by identifier.
    private var sorted: [(id: String, score: Double)] {
        documents.sorted {
            let (first, second) = (Float($0.score), Float($1.score))
            return first != second ? first > second : $1.id.utf8.lexicographicallyPrecedes($0.id.utf8)
        }
    }

    /// The lines of a run file: `query Q0 document rank score tag`.
    public func runLines(tag: String) -> String {
        sorted.enumerated().map { "\(query) Q0 \($1.id) \($0 + 1) \($1.score) \(tag)\n" }.joined()
    }
}
