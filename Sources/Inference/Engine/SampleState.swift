internal import Grammar

/// What the engine keeps of one sample of a request, beside what its scheduler does.
struct SampleState: Sendable {
    let submission: SubmittedRequest
    let sample: Int
    let maxTokens: Int
    var sampler: Sampler
    /// Where the text is in what the request's constraint allows.
    var matcher: GrammarMatcher?
    var tokenCount = 0
    /// When the first pass with some of it began.
    var start: ContinuousClock.Instant?
    /// Scores of prompt tokens that were not handed over yet.
    var promptScores: [TokenScore] = []

    init(_ submission: SubmittedRequest, contextLength: Int) {
        self.submission = submission
        sample = 0
        let room = contextLength - submission.request.promptTokens.count
        maxTokens = min(submission.request.maxTokens ?? room, room)
        sampler = Sampler(parameters: submission.request.sampling, seed: submission.seed)
        matcher = submission.automaton.map { GrammarMatcher($0) }
        sampler.observePrompt(submission.request.promptTokens.map(Int32.init))
    }

    /// Another sample behind the same prompt.
    init(_ first: SampleState, sample: Int) {
        submission = first.submission
        self.sample = sample
        maxTokens = first.maxTokens
        sampler = first.sampler.reseeded(first.submission.seed &+ UInt64(sample))
        matcher = first.matcher
        start = first.start
    }

    var request: GenerationRequest { submission.request }

    /// Whether a whole row of logits is needed for the next token, or how many candidates.
    func requirement(maxTopK: Int, vocabularySize: Int) -> Sampler.Requirement {
        request.logProbabilities != nil || matcher != nil
            ? .allLogits : sampler.requirement(maxTopK: maxTopK, vocabularySize: vocabularySize)
    }

    /// Counts a token in and says whether generation ends with it.
    /// - Throws: `GrammarError` where the constraint is too ambiguous to be followed.
    mutating func accept(
        _ token: Int32, endOfSequence: Set<Int>
    ) throws -> (reason: FinishReason, cause: StopCause?)? {
        tokenCount += 1
        _ = try matcher?.accept(token)
        if let matcher, matcher.hasEnded { return (.stop, .endOfSequence(token: Int(token))) }
        if request.stopTokens.contains(Int(token)) { return (.stop, .token(Int(token))) }
        if !request.ignoresEndOfSequence, endOfSequence.contains(Int(token)) {
            return (.stop, .endOfSequence(token: Int(token)))
        }
        return tokenCount >= maxTokens ? (.length, nil) : nil
    }
}
