internal import Grammar

/// The engine's own state of one sample of a request; its scheduler keeps the rest.
struct SampleState: Sendable {
    let submission: SubmittedRequest
    let sample: Int
    let maxTokens: Int
    var sampler: Sampler
    /// The state of the constraint's automaton after the text so far; `nil`: no constraint.
    var matcher: GrammarMatcher?
    /// What may follow by the rules of the model's files; `nil`: they have none.
    private var rules: TargetRules?
    var tokenCount = 0
    /// When the first pass that computed a part of it began.
    var start: ContinuousClock.Instant?
    /// Scores of prompt tokens that were not delivered yet.
    var promptScores: [TokenScore] = []

    /// - Parameters:
    ///   - target: how target texts are written; `nil`: the model continues its prompt.
    ///   - continuation: by which rules it does so.
    init(
        _ submission: SubmittedRequest, contextLength: Int, target: TargetWriting? = nil,
        continuation: ContinuationWriting? = nil
    ) {
        self.submission = submission
        sample = 0
        let room = contextLength - (target == nil ? submission.request.promptTokens.count : 1)
        maxTokens = min(submission.request.maxTokens ?? room, room)
        rules =
            target?.rules(for: submission.request, maxTokens: maxTokens)
            ?? continuation?.rules(for: submission.request, maxTokens: maxTokens)
        sampler = Sampler(parameters: submission.request.sampling, seed: submission.seed)
        matcher = submission.automaton.map { GrammarMatcher($0) }
        let begun = target.map { [$0.startToken] } ?? submission.request.promptTokens
        sampler.observePrompt(begun.map(Int32.init))
    }

    /// The state of another sample that continues the same prompt.
    init(_ first: SampleState, sample: Int) {
        submission = first.submission
        self.sample = sample
        maxTokens = first.maxTokens
        sampler = first.sampler.reseeded(first.submission.seed &+ UInt64(sample))
        matcher = first.matcher
        rules = first.rules
        start = first.start
    }

    var request: GenerationRequest { submission.request }

    /// Whether the next token needs a whole row of logits, or how many candidates suffice.
    func requirement(maxTopK: Int, vocabularySize: Int) -> Sampler.Requirement {
        guard request.logProbabilities == nil, matcher == nil, forced == nil else { return .allLogits }
        let requirement = sampler.requirement(maxTopK: maxTopK, vocabularySize: vocabularySize)
        guard let step, case .topK(let count) = requirement else { return requirement }
        guard !step.changesScores else { return .allLogits }
        // Some of the candidates may be banned.
        let wanted = count + step.banned.count
        return wanted <= min(maxTopK, vocabularySize) ? .topK(wanted) : .allLogits
    }

    /// The only tokens that may come next by the model's rules.
    private var forced: TokenMask? { rules?.forced(isConstrained: matcher != nil) }
    /// What the model's rules do to the next token; `nil`: it has none.
    var step: StepRules? { rules?.step }

    /// The tokens that may come next; `nil`: all that are not banned.
    /// - Throws: `GrammarError` where the constraint is too ambiguous to be followed.
    func allowed() throws -> TokenMask? {
        if let forced { return forced }
        return try matcher?.mask()
    }

    /// Adds a token and says whether generation ends with it.
    /// - Throws: `GrammarError` where the constraint is too ambiguous to be followed.
    mutating func accept(
        _ token: Int32, endOfSequence: Set<Int>
    ) throws -> (reason: FinishReason, cause: StopCause?)? {
        tokenCount += 1
        // A token that the model's rules force before the text is not part of its form.
        let isForced = forced != nil
        rules?.append(token)
        if !isForced { _ = try matcher?.accept(token) }
        if let matcher, matcher.hasEnded { return (.stop, .endOfSequence(token: Int(token))) }
        if request.stopTokens.contains(Int(token)) { return (.stop, .token(Int(token))) }
        if !request.ignoresEndOfSequence, endOfSequence.contains(Int(token)) {
            return (.stop, .endOfSequence(token: Int(token)))
        }
        return tokenCount >= maxTokens ? (.length, nil) : nil
    }
}
