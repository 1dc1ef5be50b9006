public import Inference

/// Answers questions from a collection: finds sources, asks a generator, and checks what the answer cites. (Lewis et al.,
/// 2020, "Retrieval-Augmented Generation")
///
///     let answerer = Answerer(try Searcher(CollectionReader(path: "docs.db")), Answerer.Options(search: options))
///     let sources = try await answerer.sources(for: question)
///     guard !sources.isEmpty else { … }
///     let prompt = try answerer.prompt(question, sources, encoder: PromptEncoder(package))
///     for try await update in try Answerer.answer(prompt, by: engine) { … }
public struct Answerer {
    public struct Options: Sendable {
        public var search: SearchOptions
        /// Most sources of an answer.
        public var sourceCount: Int
        /// Chunks before and behind each hit that come with it ("small to big").
        public var neighbourCount: Int
        /// The weight of relevance against variety, 1 to 0; `nil`: the order of the search is kept.
        public var relevanceWeight: Double?
        /// A text whose cosine with the question is at least this is relevant.
        public var minimumSimilarity: Double
        /// A text that covers at least this share of the question's meaning, by its terms, is relevant.
        public var minimumCoverage: Double
        /// Most tokens of an answer.
        public var maximumAnswerTokens: Int

        public init(
            search: SearchOptions, sourceCount: Int = 5, neighbourCount: Int = 0, relevanceWeight: Double? = nil,
            minimumSimilarity: Double = 0.3, minimumCoverage: Double = 0.2, maximumAnswerTokens: Int = 512
        ) {
            self.search = search
            self.sourceCount = sourceCount
            self.neighbourCount = neighbourCount
            self.relevanceWeight = relevanceWeight
            self.minimumSimilarity = minimumSimilarity
            self.minimumCoverage = minimumCoverage
            self.maximumAnswerTokens = maximumAnswerTokens
        }
    }

    public let searcher: Searcher
    public let options: Options

    public init(_ searcher: Searcher, _ options: Options) {
        self.searcher = searcher
        self.options = options
    }

    /// The sources for a question, best first; none where nothing in the collection has to do with it. Blocks.
    ///
    /// An arm always finds something: vectors are near to some degree, and some word is nearly always there. So a hit
    /// counts only where its words cover enough of what the question is about, rare words telling more and function words
    /// nothing, or where its vector is near enough.
    /// - Throws: ``RetrievalError``, and what the embedder throws.
    public func sources(for question: String) async throws -> [AnswerSource] {
        try await sources(for: TransformedQuery(question))
    }

    /// As ``sources(for:)-(String)``, for all that a question was made into.
    public func sources(for query: TransformedQuery) async throws -> [AnswerSource] {
        let question = query.question
        var search = options.search
        search.readsConditions = false
        // Without this, short texts would win by the question's function words alone.
        search.lexicalTerms = searcher.reader.settings.analyzer.contentTerms(in: question)
        // More hits than sources are asked for, since some are left out or join others.
        search.count = max(4 * options.sourceCount, 20)
        let ranking = try await searcher.ranking(query, search)
        let terms = try query.queries.map { try QuestionTerms($0, in: searcher.reader) }
        let near = Set((ranking.dense ?? []).filter { $0.score >= options.minimumSimilarity }.map(\.chunk))
        let relevant = try ranking.hits.filter { hit in
            if near.contains(hit.chunk) { return true }
            let text = try searcher.reader.chunk(hit.chunk).chunk.indexedText
            return terms.contains { $0.coverage(text) >= options.minimumCoverage }
        }
        return try SourceSelection(
            reader: searcher.reader, neighbourCount: options.neighbourCount, lambda: options.relevanceWeight,
            count: options.sourceCount
        ).sources(of: relevant)
    }

    /// The prompt for a generator, with as many of the sources as its context has room for.
    /// - Throws: as ``AnswerPrompt``.
    public func prompt(
        _ question: String, _ sources: [AnswerSource], encoder: PromptEncoder
    ) throws -> AnswerPrompt {
        let terms = try QuestionTerms(question, in: searcher.reader)
        return try AnswerPrompt(
            question: question, sources: sources, encoder: encoder,
            maximumAnswerTokens: options.maximumAnswerTokens, weigh: terms.coverage)
    }

    /// Writes the answer. Dropping the stream ends the generation.
    /// - Throws: `InferenceError` where the engine refuses the prompt; other errors arrive on the stream.
    public static func answer(
        _ prompt: AnswerPrompt, by engine: Engine, sampling: SamplingParameters = .greedy
    ) throws -> AsyncThrowingStream<AnswerUpdate, any Error> {
        let updates = try engine.generate(
            GenerationRequest(
                promptTokens: prompt.tokens, sampling: sampling, maxTokens: prompt.maximumAnswerTokens,
                stopStrings: prompt.stopStrings))
        return AsyncThrowingStream { continuation in
            let task = Task {
                var reader = AnswerReader(sources: prompt.sources, startsInReasoning: prompt.opensReasoning)
                do {
                    for try await update in updates {
                        for piece in reader.read(update.text) { continuation.yield(piece) }
                    }
                    for piece in reader.finish() { continuation.yield(piece) }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }
}
