#if SQLite
    import ArgumentParser
    import CommandSupport
    import Glibc
    import Inference
    import JSONCore
    import Retrieval
    import TensorCore

    /// `infer ask`: a question answered from a collection.
    struct AskCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ask", abstract: "Answers a question from a collection of documents, with citations.",
            discussion: """
                --model writes the answer from the chunks that a search finds, and names them as [1]. Where nothing in the \
                collection has to do with the question, it says so and writes nothing. --json prints \
                {"answer","citations":[…],"found"}; where the model names no source, citations are those it was given, with \
                "cited" false.
                """)

        @Argument(help: "The question.")
        var question: String

        @OptionGroup var retrieval: RetrievalArguments

        @Option(name: [.customShort("k"), .long], parsing: .unconditional, help: "Most sources of the answer.")
        var sources: Int = 5

        @Option(parsing: .unconditional, help: "Chunks before and behind each source that come with it.")
        var neighbours: Int = 0

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "How much the search's order counts beside variety, 0 to 1; left out, alone.", valueName: "weight"))
        var relevanceWeight: Double?

        @Option(parsing: .unconditional, help: "The least cosine at which a text counts as relevant by its vector.")
        var minSimilarity: Double = 0.3

        @Option(
            parsing: .unconditional,
            help: "The least share of the question's meaning, by words, at which a text counts as relevant.")
        var minCoverage: Double = 0.2

        @Option(parsing: .unconditional, help: "Most tokens of the answer.")
        var maxTokens: Int = 512

        @Option(parsing: .unconditional, help: "Divides the logits; 0 takes the most likely token each time.")
        var temperature: Float = 0

        @Option(parsing: .unconditional, help: "The same seed gives the same answer.")
        var seed: Seed?

        @Option(
            help: ArgumentHelp("Where the collection's embedder lies; left out, where it lay.", valueName: "path"),
            completion: .directory)
        var embedder: String?

        @Flag(help: "Print the text of every source that the model was given.")
        var showSources = false

        @Flag(help: "Print one JSON object.")
        var json = false

        @OptionGroup(title: "Generator") var model: ModelOptions

        func validate() throws {
            try model.validate()
            try OptionRange.check("--sources", sources, in: 1...1000)
            try OptionRange.check("--neighbours", neighbours, in: 0...1000)
            try OptionRange.check("--relevance-weight", relevanceWeight, in: 0...1)
            try OptionRange.check("--min-similarity", minSimilarity, in: -1...1)
            try OptionRange.check("--min-coverage", minCoverage, in: 0...1)
            try OptionRange.check("--max-tokens", maxTokens, in: 1...Int(Int32.max))
        }

        func run() async throws {
            let reader = try retrieval.openReader()
            let answerer = try makeAnswerer(reader)
            let sources = try await answerer.sources(for: question)
            var output = AnswerOutput(showsSources: showSources, isJSON: json)
            guard !sources.isEmpty else {
                return try output.writeNothingFound(in: reader.path)
            }
            let package = try model.openPackage()
            let prompt = try answerer.prompt(
                question, sources, encoder: PromptEncoder(package, contextLength: model.contextLength))
            var options = model.engineOptions(defaultPrecision: seed?.value == nil ? .automatic : .highest)
            // One sequence runs, so the cache needs room for it alone.
            options.cacheTokenCount = prompt.tokens.count + prompt.maximumAnswerTokens
            let engine = try await Engine(package, on: model.makeBackend(), options: options)
            var sampling = SamplingParameters.greedy
            sampling.temperature = temperature
            sampling.seed = seed?.value
            for try await update in try Answerer.answer(prompt, by: engine, sampling: sampling) {
                try output.write(update, prompt)
            }
        }

        private func makeAnswerer(_ reader: CollectionReader) throws -> Answerer {
            let options = try retrieval.search.options(
                count: sources, settings: reader.settings, hasGraph: reader.hasGraph)
            // What belongs to the generator alone is not for the embedder.
            var auxiliary = model
            (auxiliary.models, auxiliary.lora, auxiliary.contextLength, auxiliary.dtype) = ([], [], nil, nil)
            let searcher = try retrieval.openModels(
                reader, modes: [options.mode], embedder: embedder, model: auxiliary
            ).makeSearcher(reader)
            return Answerer(
                searcher,
                Answerer.Options(
                    search: options, sourceCount: sources, neighbourCount: neighbours,
                    relevanceWeight: relevanceWeight, minimumSimilarity: minSimilarity, minimumCoverage: minCoverage,
                    maximumAnswerTokens: maxTokens))
        }
    }
#endif
