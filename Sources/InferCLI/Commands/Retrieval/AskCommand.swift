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
        @OptionGroup var transforms: TransformArguments

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

        @Option(
            help: ArgumentHelp(
                "A model that says which sentences of the answer its sources support: one of natural language inference, "
                    + "or a cross-encoder.", valueName: "path"), completion: .directory)
        var groundedness: String?

        @Option(parsing: .unconditional, help: "The least support, 0 to 1, that counts for --groundedness.")
        var groundednessThreshold: Double = 0.5

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
            try OptionRange.check("--groundedness-threshold", groundednessThreshold, in: 0...1)
        }

        func run() async throws {
            let reader = try retrieval.openReader()
            let answerer = try makeAnswerer(reader)
            // A generator that transforms the question is there before the sources are.
            let early = transforms.transforms.isEmpty ? nil : try await makeEngine(nil)
            var query = TransformedQuery(question)
            if let early {
                let encoder = try PromptEncoder(early.package, contextLength: early.contextLength)
                query = try await transforms.apply(to: question, EngineGenerator(early, encoder: encoder))
                transforms.log(query, question, model)
            }
            let sources = try await answerer.sources(for: query)
            var output = AnswerOutput(showsSources: showSources, isJSON: json)
            output.query = early == nil ? nil : query
            guard !sources.isEmpty else {
                return try output.writeNothingFound(in: reader.path)
            }
            let package = try early?.package ?? model.openPackage()
            let encoder = try PromptEncoder(package, contextLength: early?.contextLength ?? model.contextLength)
            let prompt = try answerer.prompt(query.question, sources, encoder: encoder)
            // One sequence runs, so the cache needs room for it alone.
            let cacheTokenCount = prompt.tokens.count + prompt.maximumAnswerTokens
            let engine: Engine
            if let early { engine = early } else { engine = try await makeEngine(cacheTokenCount, package) }
            var sampling = SamplingParameters.greedy
            sampling.temperature = temperature
            sampling.seed = seed?.value
            // A wrong model is told before the answer is written.
            let support = try groundedness.map { try SupportModelSource.load(auxiliaryModel, path: $0) }
            for try await update in try Answerer.answer(prompt, by: engine, sampling: sampling) {
                if case .finished(let answer) = update, let support {
                    output.groundedness = try await Groundedness(
                        of: answer.text, sources: prompt.sources, by: support, threshold: groundednessThreshold)
                }
                try output.write(update, prompt)
            }
        }

        /// What belongs to the generator alone is not for the other models.
        private var auxiliaryModel: ModelOptions {
            var auxiliary = model
            (auxiliary.models, auxiliary.lora, auxiliary.contextLength, auxiliary.dtype) = ([], [], nil, nil)
            return auxiliary
        }

        private func makeEngine(_ cacheTokenCount: Int?, _ package: ModelPackage? = nil) async throws -> Engine {
            var options = model.engineOptions(defaultPrecision: seed?.value == nil ? .automatic : .highest)
            options.cacheTokenCount = cacheTokenCount
            return try await Engine(package ?? model.openPackage(), on: model.makeBackend(), options: options)
        }

        private func makeAnswerer(_ reader: CollectionReader) throws -> Answerer {
            let options = try retrieval.search.options(
                count: sources, settings: reader.settings, hasGraph: reader.hasGraph)
            let searcher = try retrieval.openModels(
                reader, modes: [options.mode], embedder: embedder, model: auxiliaryModel
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
