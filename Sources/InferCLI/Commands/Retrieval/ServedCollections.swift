#if HTTP && SQLite
    import ArgumentParser
    import CommandSupport
    import Foundation
    import Retrieval
    import Serving
    import TensorCore

    /// The collections that `infer serve` searches.
    struct ServedCollectionOptions: ParsableArguments {
        @Option(
            name: [.customShort("c"), .long],
            help: ArgumentHelp(
                "A collection of documents that requests may search; may be repeated. Left without a name, its file's.",
                valueName: "[name=]file.db"), completion: .file())
        var collection: [String] = []

        @Option(
            help: ArgumentHelp(
                "Where the collections' embedder lies; left out, where it lay when they were made.", valueName: "path"),
            completion: .directory)
        var embedder: String?

        @Option(
            help: ArgumentHelp("A model that scores what searches find anew.", valueName: "path"),
            completion: .directory)
        var rerank: String?

        @Option(
            parsing: .unconditional,
            help: "Searches of a collection that run at once; each holds its vectors in memory.")
        var parallelSearches = 2

        func validate() throws {
            try OptionRange.check("--parallel-searches", parallelSearches, in: 1...256)
            let names = collection.map { ServedCollectionOptions.name($0).name }
            guard !names.contains("") else { throw ValidationError("--collection has an empty name") }
            if let twice = names.first(where: { name in names.filter { $0 == name }.count > 1 }) {
                throw ValidationError("two collections are named '\(twice)'; name one of them as NAME=FILE.db")
            }
            guard !collection.isEmpty || (embedder == nil && rerank == nil) else {
                throw ValidationError("--embedder and --rerank go with --collection FILE.db")
            }
        }

        /// `FILE.db` or `NAME=FILE.db`, unless there is a file of that whole name.
        private static func name(_ argument: String) -> (name: String, path: String) {
            let stem = URL(fileURLWithPath: argument).deletingPathExtension().lastPathComponent
            guard !FileManager.default.fileExists(atPath: argument), let equals = argument.firstIndex(of: "=") else {
                return (stem, argument)
            }
            return (String(argument[..<equals]), String(argument[argument.index(after: equals)...]))
        }

        /// Opens the collections and loads their models, so that what is wrong with them is told at the start.
        /// - Parameter model: the device and the number formats.
        func open(_ model: ModelOptions) throws -> [SearchedCollection] {
            // What belongs to the generators alone is not for these models.
            var auxiliary = model
            (auxiliary.models, auxiliary.lora, auxiliary.contextLength, auxiliary.dtype) = ([], [], nil, nil)
            var embedders: [String: any TextEmbedder] = [:]
            let reranker = try rerank.map { try RerankerSource.load(auxiliary, path: $0) }
            return try collection.map { argument in
                let (name, path) = ServedCollectionOptions.name(argument)
                let settings = try CollectionReader(path: path).settings
                var chosen: (any TextEmbedder)?
                if let stored = settings.embedder {
                    let place = "\(embedder ?? stored) \(settings.outputNames)"
                    chosen =
                        try embedders[place]
                        ?? EmbedderSource.load(
                            auxiliary, path: embedder ?? stored, outputs: settings.outputs)
                    embedders[place] = chosen
                }
                let service = CollectionService(
                    path: path, embedder: chosen, reranker: reranker, searcherCount: parallelSearches
                ) { [auxiliary] in try auxiliary.makeBackend() }
                return SearchedCollection(name: name, service: service)
            }
        }
    }

    /// A collection as the server searches it.
    struct SearchedCollection: ServedCollection {
        let name: String
        let service: CollectionService

        func closeStale() { service.closeStale() }

        func status() async throws -> CollectionStatus {
            try await translated {
                let hasEmbedder = service.embedder != nil
                return try await service.withSearcher { searcher in
                    let settings = searcher.reader.settings
                    var modes = [SearchMode.lexical]
                    let hasVectors = hasEmbedder && settings.embedder != nil
                    let hasGraph = try searcher.reader.hasGraph
                    if hasVectors, settings.dimensionCount != nil { modes.append(.dense) }
                    if hasVectors, settings.hasTermWeights { modes.append(.sparse) }
                    if hasVectors, settings.tokenVectorSize != nil { modes.append(.multiVector) }
                    if hasGraph { modes.append(.graph) }
                    if hasVectors || hasGraph { modes += [.hybrid, .auto] }
                    return CollectionStatus(
                        chunkCount: searcher.reader.chunkCount, modes: modes.map(\.rawValue),
                        embedder: settings.embedder)
                }
            }
        }

        func search(_ request: SearchRequest) async throws -> SearchAnswer {
            try await translated {
                let hasEmbedder = service.embedder != nil
                let (mode, sources) = try await service.withSearcher { searcher in
                    let hasVectors = hasEmbedder && searcher.reader.settings.embedder != nil
                    let options = try SearchedCollection.options(
                        request, hasSeveralArms: hasVectors || searcher.reader.hasGraph)
                    if request.isQuestion {
                        let answerer = Answerer(searcher, .init(search: options, sourceCount: request.count))
                        return (options.mode, try await answerer.sources(for: request.query))
                    }
                    let hits = try await searcher.search(request.query, options)
                    return (
                        options.mode,
                        hits.enumerated().map { AnswerSource($1.chunk, number: $0 + 1, score: $1.score) }
                    )
                }
                return SearchAnswer(mode: mode.rawValue, results: sources.map { SearchResult($0) })
            }
        }

        /// - Throws: `RetrievalError` for the condition; `SearchFailure` for the way of comparing vectors.
        private static func options(_ request: SearchRequest, hasSeveralArms: Bool) throws -> SearchOptions {
            var options = SearchOptions(
                mode: request.mode.flatMap(SearchMode.init(rawValue:)) ?? (hasSeveralArms ? .hybrid : .lexical),
                count: request.count, reranks: request.reranks ?? true)
            options.scoring =
                request.scoring == "tfidf" ? .tfIDF : .bm25(k1: request.k1 ?? 1.2, b: request.b ?? 0.75)
            options.fusion =
                request.fusion == "distribution" ? .distribution : .reciprocalRank(k: request.rankConstant ?? 60)
            options.lexicalWeight = request.lexicalWeight ?? 1
            options.candidateCount = request.candidateCount ?? 100
            options.filter = try request.filter.map { try DocumentFilter($0) }
            if let vectors = request.vectors {
                guard let search = VectorSearch(vectors) else {
                    throw SearchFailure.invalid(
                        field: "vectors", reason: "vectors must be exact, ivf:PROBES or hnsw:WIDTH")
                }
                options.vectorSearch = search
            }
            return options
        }

        private func translated<Result>(_ body: () async throws -> Result) async throws -> Result {
            do {
                return try await body()
            } catch let error as RetrievalError {
                throw SearchFailure(error)
            }
        }
    }

    extension SearchResult {
        init(_ source: AnswerSource) {
            self.init(
                id: source.key, path: source.path, byteRange: source.byteRange, lines: source.lines,
                headings: source.headings, text: source.text, score: source.score)
        }
    }

    extension SearchFailure {
        /// Whose fault it is: the request's, or the collection's.
        init(_ error: RetrievalError) {
            let reason = error.description
            switch error {
            case .invalidQuery: self = .invalid(field: "query", reason: reason)
            case .invalidFilter: self = .invalid(field: "where", reason: reason.replacing("--where", with: "where"))
            case .noVectors, .noDenseVectors, .noTermWeights, .noTokenVectors, .noGraph:
                self = .invalid(field: "mode", reason: reason.replacing("another --mode", with: "another mode"))
            case .noApproximateIndex: self = .invalid(field: "vectors", reason: reason)
            case .invalidParameter(let name, _, _):
                let field = name.drop { $0 == "-" }.replacing("-", with: "_")
                self = .invalid(field: String(field), reason: reason)
            default: self = .unavailable(reason: reason)
            }
        }
    }
#endif
