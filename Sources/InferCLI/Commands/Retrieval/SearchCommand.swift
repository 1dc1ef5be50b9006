#if SQLite
    import ArgumentParser
    import CommandSupport
    import Inference
    import JSONCore
    import Retrieval

    /// `infer search`: the chunks of a collection that fit a query.
    struct SearchCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "search", abstract: "Searches a collection of documents.",
            discussion: """
                Words need not all be there. "Quotes" make phrases; AND, OR, NOT in capitals and parentheses make conditions.
                """)

        @Argument(help: "What to look for.")
        var query: String

        @Option(name: [.customShort("k"), .long], parsing: .unconditional, help: "Most chunks to show.")
        var topK: Int = 10

        @OptionGroup var retrieval: RetrievalArguments
        @OptionGroup var transforms: TransformArguments

        @Option(
            help: ArgumentHelp("The model that does --transform; left out, the bundled one.", valueName: "path"),
            completion: .directory)
        var generator: String?

        @Flag(help: "Print one JSON array.")
        var json = false

        @OptionGroup(title: "Embedder") var model: ModelOptions

        func validate() throws {
            try model.validate()
            try OptionRange.check("--top-k", topK, in: 1...100_000)
            guard generator == nil || !transforms.transforms.isEmpty else {
                throw ValidationError("--generator goes with --transform; give both")
            }
        }

        func run() async throws {
            let reader = try retrieval.openReader()
            let options = try retrieval.search.options(
                count: topK, settings: reader.settings, hasGraph: reader.hasGraph)
            let searcher = try retrieval.openModels(reader, modes: [options.mode], embedder: model.model, model: model)
                .makeSearcher(reader)
            let hits = try await searcher.search(try await transformed(), options)
            var output = OutputWriter()
            try output.writeLine(json ? try Self.json(hits) : Self.text(hits))
            try output.flush()
        }

        /// The query with what the generator makes of it.
        private func transformed() async throws -> TransformedQuery {
            guard !transforms.transforms.isEmpty else { return TransformedQuery(query) }
            var auxiliary = model
            (auxiliary.models, auxiliary.lora, auxiliary.contextLength) = (generator.map { [$0] } ?? [], [], nil)
            let package = try auxiliary.openPackage()
            let engine = try await Engine(package, on: auxiliary.makeBackend(), options: auxiliary.engineOptions())
            let encoder = try PromptEncoder(package, contextLength: engine.contextLength)
            let result = try await transforms.apply(to: query, EngineGenerator(engine, encoder: encoder))
            transforms.log(result, query, model)
            return result
        }

        private static func json(_ hits: [(chunk: FoundChunk, score: Double)]) throws -> String {
            var writer = JSONWriter()
            writer.beginArray()
            for (found, score) in hits {
                writer.beginObject()
                writer.member("id", found.key)
                try writer.member("score", score)
                writer.member("path", found.path)
                writer.member("start", found.chunk.byteRange.lowerBound)
                writer.member("end", found.chunk.byteRange.upperBound)
                writer.member("text", found.chunk.text)
                writer.endObject()
            }
            writer.endArray()
            return writer.text
        }

        private static func text(_ hits: [(chunk: FoundChunk, score: Double)]) -> String {
            guard !hits.isEmpty else { return "nothing found" }
            return hits.enumerated().map { index, hit in
                let (found, score) = hit
                let place = found.key == found.path ? found.path : "\(found.path) (\(found.key))"
                let headings = found.chunk.headings.isEmpty ? "" : " · " + found.chunk.headings.joined(separator: " › ")
                let text = found.chunk.text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
                let cut = text.count > 300 ? text.prefix(300) + "…" : text[...]
                return
                    "\(index + 1). \(fixed(score, digits: 4))  \(place), bytes \(found.chunk.byteRange.lowerBound) to "
                    + "\(found.chunk.byteRange.upperBound)\(headings)\n   \(cut)"
            }.joined(separator: "\n")
        }
    }
#endif
