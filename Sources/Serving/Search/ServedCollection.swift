internal import HTTPTypes

/// What a client looks for in a collection.
package struct SearchRequest: Sendable, Equatable {
    package var query: String
    /// Most results.
    package var count: Int
    /// Which arms are asked; `nil`: all that the collection has.
    package var mode: String?
    /// A condition on documents.
    package var filter: String?
    /// Whether a reranker, where there is one, scores the hits anew.
    package var reranks: Bool?
    /// `bm25` or `tfidf`.
    package var scoring: String?
    package var k1: Double?
    package var b: Double?
    /// `rrf` or `distribution`.
    package var fusion: String?
    package var rankConstant: Double?
    package var lexicalWeight: Double?
    /// Hits of each arm that are fused or reranked.
    package var candidateCount: Int?
    /// How vectors are compared: `exact`, `ivf:PROBES` or `hnsw:WIDTH`.
    package var vectors: String?
    /// The query is a question in plain words: nothing in it is an operator, and what has nothing to do with it is left out.
    package var isQuestion = false

    package init(query: String, count: Int = 10) {
        self.query = query
        self.count = count
    }
}

/// A piece of a document that a search found.
package struct SearchResult: Sendable, Equatable {
    /// What the collection calls the document.
    package var id: String
    package var path: String
    /// Bytes of the file.
    package var byteRange: Range<Int>
    /// Lines of the file, from 1 on; `nil` where the file is no longer what was indexed.
    package var lines: ClosedRange<Int>?
    /// The headings above it, outermost first.
    package var headings: [String]
    package var text: String
    package var score: Double

    package init(
        id: String, path: String, byteRange: Range<Int>, lines: ClosedRange<Int>? = nil, headings: [String] = [],
        text: String, score: Double
    ) {
        self.id = id
        self.path = path
        self.byteRange = byteRange
        self.lines = lines
        self.headings = headings
        self.text = text
        self.score = score
    }
}

/// What a search answers.
package struct SearchAnswer: Sendable {
    /// The arms that were asked.
    package var mode: String
    /// Best first.
    package var results: [SearchResult]

    package init(mode: String, results: [SearchResult]) {
        self.mode = mode
        self.results = results
    }
}

/// What a collection holds at the moment.
package struct CollectionStatus: Sendable {
    package var chunkCount: Int
    /// The arms that can be asked.
    package var modes: [String]
    /// As it was named when the collection was made.
    package var embedder: String?

    package init(chunkCount: Int, modes: [String], embedder: String?) {
        self.chunkCount = chunkCount
        self.modes = modes
        self.embedder = embedder
    }
}

/// A collection of documents that a server searches. Implementations run searches on threads of their own.
package protocol ServedCollection: Sendable {
    /// The name by which requests ask for it.
    var name: String { get }

    /// - Throws: ``SearchFailure``.
    func status() async throws -> CollectionStatus

    /// - Throws: ``SearchFailure``; `CancellationError`.
    func search(_ request: SearchRequest) async throws -> SearchAnswer
}

/// Why a collection could not be searched.
package enum SearchFailure: Error {
    /// The request is wrong: the field, and what is the matter with it.
    case invalid(field: String, reason: String)
    /// The collection is gone, damaged, held by a writer, or made with another embedder.
    case unavailable(reason: String)
}

extension APIError {
    init(search failure: SearchFailure) {
        switch failure {
        case .invalid(let field, let reason): self = .invalid(field, reason)
        case .unavailable(let reason):
            self = APIError(.serviceUnavailable, reason, type: "server_error", code: "collection_unavailable")
        }
    }
}

/// The collections of a server, by name.
struct CollectionDirectory: Sendable {
    let collections: [any ServedCollection]

    /// The collection that a request names; the first where it names none.
    /// - Parameter field: of the request, for errors.
    func collection(named name: String?, field: String = "collection") throws(APIError) -> any ServedCollection {
        guard let first = collections.first else {
            throw APIError(
                .notFound, "This server has no collection of documents; start it with --collection FILE.db",
                parameter: field, code: "collection_not_found")
        }
        guard let name else { return first }
        guard let found = collections.first(where: { $0.name == name }) else {
            let shown = collections.prefix(8).map { "'\($0.name)'" }.joined(separator: ", ")
            throw APIError(
                .notFound, "The collection '\(name.prefix(200))' does not exist; this server has \(shown)",
                parameter: field, code: "collection_not_found")
        }
        return found
    }
}
