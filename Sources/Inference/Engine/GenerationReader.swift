internal import Synchronization
internal import Tokenization

/// Makes updates of the engine's events, in the task that reads the stream, so that detokenising and the search for
/// stop strings take no time of the engine. Dropping it cancels the request.
final class GenerationReader: Sendable {
    private struct State {
        var events: [SampleEvent] = []
        var nextEvent = 0
        /// Of each sample; made with the first event, since the prompt is taken into them.
        var samples: [SampleText] = []

        mutating func takeEvent() -> SampleEvent? {
            guard nextEvent < events.count else { return nil }
            nextEvent += 1
            return events[nextEvent - 1]
        }
    }

    private let submission: SubmittedRequest
    private let tokenizer: Tokenizer?
    private let joinsPrompt: Bool
    private let state = Mutex(State())
    private var channel: RequestChannel { submission.channel }

    /// - Parameter joinsPrompt: whether the text continues the prompt, rather than being one of its own.
    init(_ submission: SubmittedRequest, tokenizer: Tokenizer?, joinsPrompt: Bool) {
        self.submission = submission
        self.tokenizer = tokenizer
        self.joinsPrompt = joinsPrompt
    }

    deinit { submission.channel.abandon() }

    /// The next update; `nil` at the end.
    func next() async throws -> GenerationUpdate? {
        while true {
            do {
                if let update = try state.withLock({ try takeUpdate(&$0) }) { return update }
            } catch {
                channel.abandon()
                throw error
            }
            guard let events = try await channel.next() else { return nil }
            state.withLock { state in
                state.events = events
                state.nextEvent = 0
            }
        }
    }

    private func takeUpdate(_ state: inout State) throws -> GenerationUpdate? {
        while let event = state.takeEvent() {
            if state.samples.isEmpty {
                let first = try SampleText(submission.request, tokenizer, joinsPrompt: joinsPrompt)
                state.samples = Array(repeating: first, count: submission.request.count)
            }
            // Tokens that were produced before the engine learnt that a stop string was found.
            guard !state.samples[event.sample].isComplete else { continue }
            let update = try state.samples[event.sample].take(event, of: submission)
            if update.result != nil, event.finish == nil { channel.stop(event.sample) }
            return update
        }
        return nil
    }
}

/// The text of one sample so far.
struct SampleText: Sendable {
    private let tokenizer: Tokenizer?
    private var detokenizer: StreamingDetokenizer?
    private var stopMatcher: StopMatcher
    private let stopStrings: [String]
    /// Text that was not shown yet, since it may be the beginning of a stop string.
    private var held: [UInt8] = []
    private var tokenCount = 0
    private var firstTokenTime: ContinuousClock.Instant?
    private(set) var isComplete = false

    init(_ request: GenerationRequest, _ tokenizer: Tokenizer?, joinsPrompt: Bool) throws {
        self.tokenizer = tokenizer
        detokenizer = tokenizer.map { $0.makeDetokenizer(skipSpecialTokens: true) }
        stopMatcher = StopMatcher(request.stopStrings)
        stopStrings = request.stopStrings.filter { !$0.isEmpty }
        // The prompt goes through the detokenizer so that the continuation joins it as decoding both together would.
        for token in joinsPrompt ? request.promptTokens : [] { _ = try detokenizer?.push(token) }
        try detokenizer?.settle()
    }

    /// Takes an event of a pass.
    mutating func take(_ event: SampleEvent, of submission: SubmittedRequest) throws -> GenerationUpdate {
        var finish = event.finish
        var text = ""
        if let token = event.token {
            tokenCount += 1
            if firstTokenTime == nil { firstTokenTime = event.time }
            // A token that ends the text does not belong to it.
            if finish?.cause == nil { text = show(try detokenizer?.push(Int(token)) ?? "") }
        }
        if finish != nil, !stopMatcher.hasStopped { text += show(try detokenizer?.finish() ?? "") }
        if stopMatcher.hasStopped {
            finish = (.stop, foundStop.map(StopCause.string))
        } else if finish != nil {
            text += stopMatcher.finish()
        }
        isComplete = finish != nil
        return GenerationUpdate(
            sample: event.sample, tokens: event.token.map { [Int($0)] } ?? [], text: text,
            logProbabilities: event.score.map { [described($0)] } ?? [],
            promptLogProbabilities: event.promptScores.map(described),
            result: finish.map { result($0, event, submission) })
    }

    /// The text that may be shown once a piece has come.
    private mutating func show(_ piece: String) -> String {
        guard !stopStrings.isEmpty else { return piece }
        held += Array(piece.utf8)
        let shown = stopMatcher.push(piece)
        held.removeFirst(min(shown.utf8.count, held.count))
        return shown
    }

    /// The stop string that ended the text: what was held back begins with it.
    private var foundStop: String? { stopStrings.first { held.starts(with: $0.utf8) } }

    private func described(_ score: TokenScore) -> TokenLogProbability {
        func entry(_ token: Int32, _ value: Double, _ alternatives: [TokenLogProbability]) -> TokenLogProbability {
            TokenLogProbability(
                token: Int(token), logProbability: value, bytes: tokenizer?.decodedBytes(of: Int(token)) ?? [],
                alternatives: alternatives)
        }
        return entry(
            score.token, score.logProbability,
            score.alternatives.map { entry($0.token, $0.logProbability, []) })
    }

    private func result(
        _ finish: (reason: FinishReason, cause: StopCause?), _ event: SampleEvent, _ submission: SubmittedRequest
    ) -> GenerationResult {
        var timings = GenerationTimings()
        let first = firstTokenTime ?? event.time
        timings.queueSeconds = (event.start - submission.arrival).seconds
        timings.timeToFirstTokenSeconds = (first - submission.arrival).seconds
        timings.decodeSeconds = (event.time - first).seconds
        timings.totalSeconds = (event.time - submission.arrival).seconds
        return GenerationResult(
            finishReason: finish.reason, stopCause: finish.cause,
            promptTokenCount: submission.request.promptTokens.count, tokenCount: tokenCount,
            cachedTokenCount: event.cachedTokenCount, seed: submission.seed &+ UInt64(event.sample), timings: timings)
    }
}
