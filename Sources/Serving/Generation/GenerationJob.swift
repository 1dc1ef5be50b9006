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
    /// The same for the tokens of the prompt.
    var promptLogprobCount: Int?
    /// Lower goes first.
    var priority = 0
    /// Prefixes are shared only among requests of the same salt.
    var cacheSalt: String?
    /// How the answer is taken apart, by APIs that show its parts.
    var reading = AnswerReading()

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

    func request(for prompt: [Int], client: String?) -> GenerationRequest {
        GenerationRequest(
            promptTokens: prompt, sampling: sampling, maxTokens: maxTokens, stopStrings: stopStrings,
            stopTokens: Set(stopTokens), ignoresEndOfSequence: ignoresEndOfSequence, count: choiceCount,
            logProbabilities: logprobCount, promptLogProbabilities: promptLogprobCount, priority: priority,
            client: client, cacheSalt: cacheSalt)
    }
}

/// Something new about one choice.
struct ChoiceUpdate: Sendable {
    let choice: Int
    let update: GenerationUpdate
}

/// A job that the engine has taken.
struct RunningJob: Sendable {
    private let streams: [AsyncThrowingStream<GenerationUpdate, any Error>]
    private let choiceCount: Int
    private let activity: ActivityTracker
    private let metrics: Metrics
    private let modelName: String

    /// - Parameter client: who asks; clients get equal shares of the model.
    /// - Throws: `APIError` where the model cannot take the job.
    init(
        _ job: GenerationJob, on model: ServedModel, for client: String?, state: ServerState
    ) throws(APIError) {
        activity = state.metrics.activity(of: model.name)
        metrics = state.metrics
        modelName = model.name
        choiceCount = job.choiceCount
        do {
            streams = try job.prompts.map { prompt in
                var request = job.request(for: prompt, client: client)
                request.adapter = model.adapter
                return try model.engine.generate(request)
            }
        } catch {
            throw APIError(error)
        }
    }

    /// Calls `body` for everything that comes, and returns when all choices have ended.
    /// - Throws: what the engine throws; `CancellationError` where the task is cancelled.
    func forEach(_ body: (ChoiceUpdate) throws -> Void) async throws {
        activity.enter(1)
        defer { activity.leave(1) }
        if streams.count == 1 {
            for try await update in streams[0] { try take(ChoiceUpdate(choice: update.sample, update: update), body) }
        } else {
            try await forEachMerged(body)
        }
        try Task.checkCancellation()
    }

    private func forEachMerged(_ body: (ChoiceUpdate) throws -> Void) async throws {
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
        for try await update in merged { try take(update, body) }
    }

    private func take(_ update: ChoiceUpdate, _ body: (ChoiceUpdate) throws -> Void) rethrows {
        if let result = update.update.result { metrics.record(result, model: modelName) }
        try body(update)
    }
}

extension GenerationResult {
    /// The stop string that ended the text, where one did.
    var stopString: String? {
        if case .string(let text) = stopCause { text } else { nil }
    }
}
