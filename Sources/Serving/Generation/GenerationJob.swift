internal import HTTPTypes
internal import Inference

/// What an endpoint asks of a model: one or more prompts, each continued one or more times.
struct GenerationJob: Sendable {
    var prompts: [[Int]]
    /// Continuations of each prompt.
    var choiceCount = 1
    var sampling: SamplingParameters
    var maxTokens: Int?
    var stopStrings: [String] = []
    /// Strings that end the answer because the model has no token that does.
    var endStrings: [String] = []
    var stopTokens: [Int] = []
    var ignoresEndOfSequence = false
    /// How many alternatives are wanted beside each token's log-probability; `nil`: no log-probabilities.
    var logprobCount: Int?
    /// The number of alternatives for the prompt's tokens, likewise.
    var promptLogprobCount: Int?
    /// Requests with a lower value go first.
    var priority = 0
    /// Prefixes are shared only among requests of the same salt.
    var cacheSalt: String?
    /// The form of the answer, and the request's field that asks for it.
    var constraint: OutputConstraint?
    var constraintField: String?
    /// Whether the answer is sent as events.
    var isStream = false
    /// How the answer is split into parts, for APIs that show them.
    var reading = AnswerReading()

    init(prompts: [[Int]], fields: SamplingFields, maxTokens: Int?) {
        self.prompts = prompts
        sampling = fields.sampling
        self.maxTokens = maxTokens
        stopStrings = fields.stopStrings
        stopTokens = fields.stopTokens
        ignoresEndOfSequence = fields.ignoresEndOfSequence
    }

    /// The number of choices. Those of the first prompt come first.
    var totalChoiceCount: Int { prompts.count * choiceCount }

    func request(for prompt: [Int], client: String?) -> GenerationRequest {
        GenerationRequest(
            promptTokens: prompt, sampling: sampling, maxTokens: maxTokens,
            stopStrings: stopStrings + endStrings, stopTokens: Set(stopTokens),
            ignoresEndOfSequence: ignoresEndOfSequence, count: choiceCount,
            logProbabilities: logprobCount, promptLogProbabilities: promptLogprobCount, priority: priority,
            client: client, cacheSalt: cacheSalt, constraint: constraint)
    }
}

/// Something new about one choice.
struct ChoiceUpdate: Sendable {
    let choice: Int
    let update: GenerationUpdate
}

/// A job that an engine works on.
struct RunningJob: Sendable {
    private let streams: [AsyncThrowingStream<GenerationUpdate, any Error>]
    private let choiceCount: Int
    /// The number of choices of all prompts together.
    var totalChoiceCount: Int { job.totalChoiceCount }
    private let activity: ActivityTracker
    private let metrics: Metrics
    private let modelName: String
    private let board: SlotBoard
    private let job: GenerationJob

    /// - Parameter client: who asks; clients get equal shares of the model.
    /// - Throws: `APIError` where the model cannot take the job.
    init(
        _ job: GenerationJob, on model: ServedModel, for client: String?, state: ServerState
    ) throws(APIError) {
        activity = state.metrics.activity(of: model.name)
        metrics = state.metrics
        board = state.slots.board(of: model)
        self.job = job
        modelName = model.name
        choiceCount = job.choiceCount
        do {
            streams = try job.prompts.map { prompt in
                var request = job.request(for: prompt, client: client)
                request.adapter = model.adapter
                request.forcedFirstToken = model.languages?.forcedFirstToken
                return try model.engine.generate(request)
            }
        } catch {
            throw APIError(error, constraintField: job.constraintField)
        }
    }

    /// Calls `body` for everything that comes, and returns when all choices have ended.
    /// - Throws: what the engine throws; `CancellationError` where the task is cancelled.
    func forEach(_ body: (ChoiceUpdate) throws -> Void) async throws {
        activity.enter(1)
        let tickets = board.enter(job)
        defer {
            for ticket in tickets { board.leave(ticket) }
            activity.leave(1)
        }
        do {
            if streams.count == 1 {
                for try await update in streams[0] {
                    try take(ChoiceUpdate(choice: update.sample, update: update), tickets, body)
                }
            } else {
                try await forEachMerged(tickets, body)
            }
        } catch let error as InferenceError {
            throw APIError(error, constraintField: job.constraintField)
        }
        try Task.checkCancellation()
    }

    private func forEachMerged(
        _ tickets: [SlotBoard.Ticket], _ body: (ChoiceUpdate) throws -> Void
    ) async throws {
        let (merged, continuation) = AsyncThrowingStream<ChoiceUpdate, any Error>.makeStream()
        let producer = Task { [streams, choiceCount] in
            do {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for (index, stream) in streams.enumerated() {
                        group.addTask {
                            for try await update in stream {
                                let choice = index * choiceCount + update.sample
                                continuation.yield(ChoiceUpdate(choice: choice, update: update))
                            }
                        }
                    }
                    try await group.waitForAll()
                }
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
        defer { producer.cancel() }
        for try await update in merged { try take(update, tickets, body) }
    }

    private func take(
        _ update: ChoiceUpdate, _ tickets: [SlotBoard.Ticket], _ body: (ChoiceUpdate) throws -> Void
    ) rethrows {
        let news = update.update
        board.advance(tickets[update.choice], tokenCount: news.tokens.count, text: news.text)
        if let result = news.result {
            metrics.record(result, model: modelName)
            board.leave(tickets[update.choice])
        }
        try body(update)
    }
}

extension GenerationResult {
    /// The request's stop string that ended the text; `nil` where none did.
    func stopString(_ job: GenerationJob) -> String? {
        guard case .string(let text) = stopCause, job.stopStrings.contains(text) else { return nil }
        return text
    }
}
