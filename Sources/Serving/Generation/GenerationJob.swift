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
    var stopTokens: [Int] = []
    var ignoresEndOfSequence = false
    /// How many alternatives are wanted beside each token's log-probability; `nil`: no log-probabilities.
    var logprobCount: Int?
    /// The log-probabilities of the prompt's tokens too.
    var wantsPromptLogprobs = false
    /// Lower goes first.
    var priority = 0
    /// Prefixes are shared only among requests of the same salt.
    var cacheSalt: String?

    init(prompts: [[Int]], fields: SamplingFields, maxTokens: Int?) {
        self.prompts = prompts
        sampling = fields.sampling
        self.maxTokens = maxTokens
        stopStrings = fields.stopStrings
        stopTokens = fields.stopTokens
        ignoresEndOfSequence = fields.ignoresEndOfSequence
    }

    /// One more than the largest number of a choice: those of the first prompt come first.
    var totalChoiceCount: Int { prompts.count * choiceCount }
}

/// Something new about one choice.
struct ChoiceUpdate: Sendable {
    let choice: Int
    let update: GenerationUpdate
}

/// A job that the engine has taken.
struct RunningJob: Sendable {
    private let streams: [AsyncThrowingStream<GenerationUpdate, any Error>]
    private let activity: ActivityTracker
    private let metrics: Metrics
    private let modelName: String

    /// - Throws: `APIError` where the model cannot take the job.
    init(_ job: GenerationJob, on model: ServedModel, state: ServerState) throws(APIError) {
        if job.logprobCount != nil { throw .unsupported("logprobs", "this version gives none; leave it out") }
        activity = state.metrics.activity(of: model.name)
        metrics = state.metrics
        modelName = model.name
        let waiting = activity.current - model.sequenceCount
        guard waiting + job.totalChoiceCount <= max(state.options.maxQueuedRequests, job.totalChoiceCount),
            waiting < state.options.maxQueuedRequests
        else {
            var error = APIError(
                .serviceUnavailable,
                "\(waiting) requests wait already, at most \(state.options.maxQueuedRequests) may; try again later",
                type: "server_error", code: "queue_full")
            error.retryAfterSeconds = 2
            throw error
        }
        var streams: [AsyncThrowingStream<GenerationUpdate, any Error>] = []
        for prompt in job.prompts {
            for choice in 0..<job.choiceCount {
                var sampling = job.sampling
                if let seed = sampling.seed { sampling.seed = seed &+ UInt64(choice) }
                do {
                    streams.append(
                        try model.engine.generate(
                            GenerationRequest(
                                promptTokens: prompt, sampling: sampling, maxTokens: job.maxTokens,
                                stopStrings: job.stopStrings, ignoresEndOfSequence: job.ignoresEndOfSequence)))
                } catch {
                    throw APIError(error)
                }
            }
        }
        self.streams = streams
    }

    /// Calls `body` for everything that comes, and returns when all choices have ended.
    /// - Throws: what the engine throws; `CancellationError` where the task is cancelled.
    func forEach(_ body: (ChoiceUpdate) throws -> Void) async throws {
        activity.enter(streams.count)
        defer { activity.leave(streams.count) }
        if streams.count == 1 {
            for try await update in streams[0] { try take(ChoiceUpdate(choice: 0, update: update), body) }
        } else {
            let (merged, continuation) = AsyncThrowingStream<ChoiceUpdate, any Error>.makeStream()
            let producer = Task { [streams] in
                do {
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for (choice, stream) in streams.enumerated() {
                            group.addTask {
                                for try await update in stream {
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
            for try await update in merged { try take(update, body) }
        }
        try Task.checkCancellation()
    }

    private func take(_ update: ChoiceUpdate, _ body: (ChoiceUpdate) throws -> Void) rethrows {
        if let result = update.update.result { metrics.record(result, model: modelName) }
        try body(update)
    }
}

extension GenerationResult {
    /// The stop string that ended the text, where one did.
    var stopString: String? { nil }
}
