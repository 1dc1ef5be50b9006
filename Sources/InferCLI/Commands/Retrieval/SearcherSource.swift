#if SQLite
    import CommandSupport
    import Inference
    import Retrieval

    /// The models that searches need: the embedder where vectors are compared, and a reranker where one is named.
    struct SearchModels {
        let embedder: (any TextEmbedder)?
        let reranker: ModelReranker?
        private let model: ModelOptions

        /// - Parameters:
        ///   - modes: the arms that will be asked.
        ///   - embedder: where the embedder lies now; `nil`: where it lay when the collection was made.
        init(
            _ reader: CollectionReader, modes: [SearchMode], embedder: String?, model: ModelOptions, reranker: String?
        ) throws {
            self.model = model
            self.reranker = try reranker.map { try RerankerSource.load(model, path: $0) }
            guard try modes.contains(where: { try $0.needsEmbedder(in: reader) }) else {
                self.embedder = nil
                return
            }
            guard let stored = reader.settings.embedder else { throw RetrievalError.noVectors(path: reader.path) }
            self.embedder = try EmbedderSource.load(
                model, path: embedder ?? stored, sparse: reader.settings.hasTermWeights,
                multiVector: reader.settings.tokenVectorSize != nil)
        }

        /// A searcher with these models and a backend of its own.
        func makeSearcher(_ reader: CollectionReader) throws -> Searcher {
            guard let embedder else { return try Searcher(reader, reranker: reranker) }
            return try Searcher(reader, embedder: embedder, reranker: reranker, on: try model.makeBackend())
        }
    }

    /// Loads a model that scores hits anew.
    enum RerankerSource {
        static func load(_ model: ModelOptions, path: String) throws -> ModelReranker {
            ModelReranker(
                try Reranker(try ModelPackage(path: path), on: try model.makeBackend(), options: model.taskOptions()))
        }
    }

    /// Loads the embedder of a collection.
    enum EmbedderSource {
        /// - Parameters:
        ///   - sparse: whether it shall give weights of terms too.
        ///   - multiVector: whether it shall give a vector a token too.
        static func load(_ model: ModelOptions, path: String?, sparse: Bool, multiVector: Bool = false) throws
            -> any TextEmbedder
        {
            if let path, WordVectors.isFile(path) {
                guard !sparse else { throw RetrievalError.noTermWeights(path: path) }
                guard !multiVector else { throw RetrievalError.noTokenVectors(path: path) }
                return WordVectorEmbedder(try WordVectors(path: path))
            }
            let package = try model.openPackage(path)
            var choices = Embedder.Options()
            if sparse { choices.outputs.insert(.sparse) }
            if multiVector { choices.outputs.insert(.colbert) }
            let embedder = try Embedder(
                package, on: try model.makeBackend(), choices: choices, options: model.taskOptions())
            return ModelEmbedder(
                embedder, from: package, givesTermWeights: sparse, givesTokenVectors: multiVector)
        }
    }

    /// Loads the generator that takes triples out of documents.
    enum TripleExtractorSource {
        /// - Parameter path: where it lies; `bundled`: the one in this program.
        static func load(_ model: ModelOptions, path: String) async throws -> ModelTripleExtractor {
            var own = model
            // What belongs to the embedder alone is not for the generator.
            (own.models, own.lora, own.dtype) = ([], [], nil)
            let package = try path == "bundled" ? own.openPackage() : own.openPackage(path)
            let engine = try await Engine(package, on: own.makeBackend(), options: own.engineOptions())
            return ModelTripleExtractor(
                engine, encoder: try PromptEncoder(package, contextLength: own.contextLength))
        }
    }
#endif
