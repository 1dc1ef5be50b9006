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
                model, path: embedder ?? stored, outputs: reader.settings.outputs)
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
        /// The embedder of a collection that is there.
        static func load(
            _ model: ModelOptions, path: String?, outputs: Set<EmbeddingKind>
        ) throws -> any TextEmbedder {
            if let path, WordVectors.isFile(path) { return try wordVectors(path, outputs: outputs) }
            return try load(model, try model.openPackage(path), outputs: outputs)
        }

        /// The embedder of a new collection, which has what the model gives by itself.
        /// - Parameter extra: what it shall give beside.
        static func load(_ model: ModelOptions, adding extra: Set<EmbeddingKind>) throws -> any TextEmbedder {
            if let path = model.model, WordVectors.isFile(path) { return try wordVectors(path, outputs: extra) }
            let package = try model.openPackage(model.model)
            return try load(model, package, outputs: Embedder.outputs(of: package, adding: extra))
        }

        private static func wordVectors(
            _ path: String, outputs: Set<EmbeddingKind>
        ) throws -> any TextEmbedder {
            guard !outputs.contains(.sparse) else { throw RetrievalError.noTermWeights(path: path) }
            guard !outputs.contains(.colbert) else { throw RetrievalError.noTokenVectors(path: path) }
            return WordVectorEmbedder(try WordVectors(path: path))
        }

        private static func load(
            _ model: ModelOptions, _ package: ModelPackage, outputs: Set<EmbeddingKind>
        ) throws -> any TextEmbedder {
            var choices = Embedder.Options()
            choices.outputs = outputs
            let embedder = try Embedder(
                package, on: try model.makeBackend(), choices: choices, options: model.taskOptions())
            return ModelEmbedder(embedder, from: package)
        }
    }

    extension CollectionSettings {
        /// What the collection keeps of its embedder's embeddings.
        var outputs: Set<EmbeddingKind> {
            var outputs: Set<EmbeddingKind> = []
            if dimensionCount != nil { outputs.insert(.dense) }
            if hasTermWeights { outputs.insert(.sparse) }
            if tokenVectorSize != nil { outputs.insert(.colbert) }
            return outputs
        }

        var outputNames: String { outputs.map(\.rawValue).sorted().joined(separator: ",") }
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
