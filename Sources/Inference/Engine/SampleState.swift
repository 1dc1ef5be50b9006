internal import Grammar

/// The engine's own state of one sample of a request; its scheduler keeps the rest.
struct SampleState: Sendable {
    let submission: SubmittedRequest
    let sample: Int
    let maxTokens: Int
    var sampler: Sampler
    /// The state of the constraint's automaton after the text so far; `nil`: no constraint.
    var matcher: GrammarMatcher?
    var tokenCount = 0
    /// When the first pass that computed a part of it began.
    var start: ContinuousClock.Instant?
    /// Scores of prompt tokens that were not delivered yet.
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

    /// The state of another sample that continues the same prompt.
    init(_ first: SampleState, sample: Int) {
        submission = first.submission
        self.sample = sample
        maxTokens = first.maxTokens
        sampler = first.sampler.reseeded(first.submission.seed &+ UInt64(sample))
        matcher = first.matcher
        start = first.start
    }

    var request: GenerationRequest { submission.request }

    /// Whether the next token needs a whole row of logits, or how many candidates suffice.
    func requirement(maxTopK: Int, vocabularySize: Int) -> Sampler.Requirement {
        request.logProbabilities != nil || matcher != nil
            ? .allLogits : sampler.requirement(maxTopK: maxTopK, vocabularySize: vocabularySize)
    }

    /// Adds a token and says whether generation ends with it.
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
