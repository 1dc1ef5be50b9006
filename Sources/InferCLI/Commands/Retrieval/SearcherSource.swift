#if SQLite
    import CommandSupport
    import Inference
    import Retrieval

    /// Opens what a search needs: the embedder where vectors are compared, and a reranker where one is named.
    enum SearcherSource {
        static func make(
            _ reader: CollectionReader, mode: SearchMode, model: ModelOptions, reranker: String?
        ) throws -> Searcher {
            let reranker = try reranker.map { path in
                ModelReranker(
                    try Reranker(
                        try ModelPackage(path: path), on: try model.makeBackend(), options: model.taskOptions()))
            }
            guard mode != .lexical else { return try Searcher(reader, reranker: reranker) }
            guard let stored = reader.settings.embedder else { throw RetrievalError.noVectors(path: reader.path) }
            let embedder = try EmbedderSource.load(model, path: model.model ?? stored)
            return try Searcher(reader, embedder: embedder, reranker: reranker, on: try model.makeBackend())
        }
    }

    /// Loads the embedder of a collection.
    enum EmbedderSource {
        static func load(_ model: ModelOptions, path: String?) throws -> ModelEmbedder {
            let package = try model.openPackage(path)
            let embedder = try Embedder(package, on: try model.makeBackend(), options: model.taskOptions())
            return ModelEmbedder(embedder, from: package)
        }
    }
#endif
