import KVCache
public import Models
public import TensorCore
public import Tokenization

/// Runs a language model for any number of requests at once, over one paged cache.
///
///     let engine = try await Engine(ModelPackage(path: "models/llama"), on: CPUBackend())
///     for try await update in try engine.generate("Once upon a time", maxTokens: 64) {
///         print(update.text, terminator: "")
///     }
///
/// Requests that run at the same time share passes: running answers advance by a token each, prompts in chunks beside them
/// (`EngineOptions.passSeconds`). Prompts that begin alike are computed once (the prefix cache). A request that has no place
/// waits; `GenerationRequest.priority` and `.client` say in which order, `EngineOptions.queueCapacity` how many may.
///
/// An encoder-decoder's encoder reads the prompt, once, and its decoder writes in the same passes as those of others.
///
/// A request fails alone. Dropping a stream, or cancelling the task that reads it, cancels its request and frees its blocks
/// before the next pass. A slow reader pauses only its own request.
///
/// The engine is an actor on a thread of its own: a pass that waits for the device blocks nobody else. Text is made of
/// tokens in the task that reads the stream.
public actor Engine {
    public nonisolated let description: DecoderDescription
    /// The model's tokenizer; `nil`: prompts are token ids, and updates have no text.
    public nonisolated let tokenizer: Tokenizer?
    /// The model's own sampling recommendations and special tokens.
    public nonisolated let package: ModelPackage
    /// Tokens of the longest context.
    public nonisolated let contextLength: Int

    private let executor = DeviceExecutor()
    nonisolated let inbox: EngineInbox
    /// How target texts are written; `nil`: the model continues prompts.
    private nonisolated let target: TargetWriting?
    private nonisolated let continuation: ContinuationWriting?
    private nonisolated let streamCapacity: Int
    let runner: DecoderRunner
    let endOfSequence: Set<Int>
    var scheduler: Scheduler<SampleState>
    var budget: PassBudget?
    /// The sequences of each request that has not ended, by sample; `nil` for samples that have ended.
    private var sequenceIDs: [Int: [Int?]] = [:]
    private var nextSequenceID = 0
    var counters = EngineStatus()

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Loads a model onto a backend. Blocks the engine's thread while weights are prepared.
    /// - Throws: `LoadError` for the files, `BackendError` for the device, `InferenceError` for the options.
    public init(_ package: ModelPackage, on backend: any Backend, options: EngineOptions = EngineOptions()) async throws
    {
        self.package = package
        tokenizer = package.tokenizer
        try package.requireHead()
        let options = Engine.deterministic(options, backend)
        target = try TargetWriting(package)
        continuation = try ContinuationWriting(package)
        let scoringRowCount =
            target == nil ? Engine.scoringRowCount(try package.generatorPlan().description, options) : 0
        runner = try package.makeRunner(
            on: backend, options: options, logitRowCount: options.sequenceCount + scoringRowCount)
        description = runner.model.description
        contextLength = runner.limits.contextLength
        endOfSequence = package.endOfSequenceTokens
        streamCapacity = options.streamCapacity
        budget = options.passSeconds.map { PassBudget(targetSeconds: $0) }
        scheduler = Scheduler(
            limits: SchedulerLimits(
                tokenCount: runner.limits.tokenCount, sequenceCount: options.sequenceCount,
                scoringRowCount: scoringRowCount, sourceTokenCount: runner.sourceTokenCount),
            pool: BlockPool(
                blockCount: runner.cache.shape.blockCount, blockSizeInTokens: options.blockSizeInTokens))
        var status = EngineStatus()
        status.sequenceCapacity = options.sequenceCount
        status.queueCapacity = options.queueCapacity
        status.blockCount = runner.cache.shape.blockCount
        status.blockSizeInTokens = options.blockSizeInTokens
        inbox = EngineInbox(status)
    }

    /// Chooses the settings that `EngineOptions.isDeterministic` needs on this backend.
    private static func deterministic(_ options: EngineOptions, _ backend: any Backend) -> EngineOptions {
        guard options.isDeterministic else { return options }
        var options = options
        options.precision = .highest
        if let backend = backend as? any RowInvariantBackend {
            backend.makeRowInvariant()
        } else {
            options.passTokenCount = 1
            options.sequenceCount = 1
        }
        return options
    }

    /// How many tokens of a prompt one pass may score, so that their rows of logits take at most 8 MiB.
    private static func scoringRowCount(_ description: DecoderDescription, _ options: EngineOptions) -> Int {
        let fitting = (8 << 20) / (max(description.vocabularySize, 1) * MemoryLayout<Float>.size)
        return min(max(fitting, 1), options.passTokenCount, 256)
    }

    // MARK: Requests

    /// Continues a text.
    /// - Parameter maxTokens: most tokens to produce; `nil`: until the model ends or the context is full.
    /// - Throws: `InferenceError`, `TokenizationError`. Errors of the device arrive on the stream.
    public nonisolated func generate(
        _ prompt: String, sampling: SamplingParameters = .greedy, maxTokens: Int? = nil
    ) throws -> AsyncThrowingStream<GenerationUpdate, any Error> {
        try generate(
            GenerationRequest(
                promptTokens: try package.promptTokens(for: prompt), sampling: sampling, maxTokens: maxTokens))
    }

    /// Continues a prompt of token ids. Does not block, but to compile a constraint that is new.
    ///
    /// - Returns: the updates of all samples, each sample's in order; the last update of a sample has its result. Read it
    ///   once, from one task.
    /// - Throws: `InferenceError` where the request cannot be served: `.contextLengthExceeded`, `.requestTooLarge`,
    ///   `.queueFull`, `.engineStopped` after `shutdown`, `.invalidConstraint`, or naming the value that is wrong.
    ///   Errors of the device, and `.nonFiniteLogits`, arrive on the stream.
    public nonisolated func generate(
        _ request: GenerationRequest
    ) throws -> AsyncThrowingStream<GenerationUpdate, any Error> {
        try request.validate(
            vocabularySize: description.vocabularySize, contextLength: contextLength, readsPrompt: target != nil)
        if let name = request.adapter, !package.adapters.contains(where: { $0.name == name }) {
            let known = package.adapters.map(\.name).joined(separator: ", ")
            throw InferenceError.invalidParameter(
                name: "adapter", value: name, expected: known.isEmpty ? "none: the engine has no adapters" : known)
        }
        var request = request
        // A constraint has an end of its own, and a text without a tokenizer has no strings.
        if !request.ignoresEndOfSequence, request.constraint == nil, tokenizer != nil {
            request.stopStrings += package.stopStrings
        }
        let automaton = try request.constraint.map { try package.constraints.automaton($0, of: package) }
        let (submission, mustStart) = try inbox.submit(sampleCount: request.count) { id in
            SubmittedRequest(
                id: id, request: request, automaton: automaton,
                seed: request.sampling.seed ?? UInt64.random(in: .min ... .max),
                arrival: .now,
                channel: RequestChannel(id: id, sampleCount: request.count, capacity: streamCapacity) { self.post($0) })
        }
        if mustStart { start() }
        let reader = GenerationReader(submission, tokenizer: tokenizer, joinsPrompt: target == nil)
        return AsyncThrowingStream { try await reader.next() }
    }

    /// Takes no more requests, and returns when those that are there have ended. May be called more than once.
    /// - Parameter cancellingRequests: ends requests with what they have, with the finish reason `cancelled`, rather than
    ///   waiting until they are complete.
    public nonisolated func shutdown(cancellingRequests: Bool = false) async {
        inbox.close()
        if cancellingRequests { post(.cancelAll) }
        await inbox.waitUntilDrained()
    }

    private nonisolated func post(_ message: EngineMessage) {
        if inbox.post(message) { start() }
    }

    private nonisolated func start() {
        Task { await run() }
    }

    // MARK: The engine's thread

    /// Runs passes while there is work. Messages from other threads are read from the inbox between passes.
    private func run() async {
        while true {
            for message in inbox.take() { handle(message) }
            publishStatus()
            guard scheduler.hasWork else {
                if inbox.fallAsleep() { return }
                continue
            }
            inbox.updateStatus { $0.passStart = .now }
            runPass()
            await Task.yield()
        }
    }

    private func handle(_ message: EngineMessage) {
        switch message {
        case .submit(let submission): admit(submission)
        case .cancel(let request):
            guard sequenceIDs[request] != nil else { return }
            counters.cancelledCount += 1
            end(request)
        case .stop(let request, let sample):
            guard let id = sequenceID(request, sample) else { return }
            let seconds = scheduler[id]?.state.start.map { (ContinuousClock.now - $0).seconds }
            close(request, sample, seconds: seconds)
        case .resume(let request, let sample):
            if let id = sequenceID(request, sample) { scheduler.resume(id) }
        case .cancelAll:
            for request in sequenceIDs.keys.sorted() { cancelWithResult(request) }
        }
    }

    private func admit(_ submission: SubmittedRequest) {
        let request = submission.request
        let id = makeSequenceID()
        sequenceIDs[submission.id] = [id]
        let prompt = request.promptTokens.map(Int32.init)
        let start = target.map { [Int32($0.startToken)] }
        scheduler.add(
            id, start ?? prompt,
            SequenceTraits(
                priority: request.priority, client: request.client,
                namespace: CacheNamespace(
                    adapter: adapterNumber(request), salt: request.cacheSalt, source: start == nil ? [] : prompt),
                scoresPrompt: request.promptLogProbabilities != nil),
            state: SampleState(submission, contextLength: contextLength, target: target, continuation: continuation))
        inbox.admitted(sampleCount: request.count)
    }

    /// The adapter number that the request's rows carry; 0: no adapter.
    private func adapterNumber(_ request: GenerationRequest) -> Int {
        package.adapters.firstIndex { $0.name == request.adapter }.map { $0 + 1 } ?? 0
    }

    private func sequenceID(_ request: Int, _ sample: Int) -> Int? {
        guard let ids = sequenceIDs[request], ids.indices.contains(sample) else { return nil }
        return ids[sample]
    }

    private func makeSequenceID() -> Int {
        defer { nextSequenceID += 1 }
        return nextSequenceID
    }

    /// Adds another sample of a request whose prompt is computed, with a first token of its own.
    /// - Returns: the id of its sequence.
    func fork(_ id: Int, _ state: SampleState, appending token: Int32) -> Int {
        let newID = makeSequenceID()
        sequenceIDs[state.submission.id]?.append(newID)
        scheduler.fork(id, as: newID, appending: token, state: state)
        return newID
    }

    /// A sample has ended; the request ends with its last one.
    func close(_ request: Int, _ sample: Int, seconds: Double?) {
        guard let id = sequenceID(request, sample), let submission = scheduler[id]?.state.submission else { return }
        let ids = sequenceIDs[request] ?? []
        scheduler.remove(id)
        sequenceIDs[request]?[sample] = nil
        guard ids.count == submission.request.count, ids.count(where: { $0 != nil }) == 1 else { return }
        counters.completedCount += 1
        sequenceIDs[request] = nil
        submission.channel.finish()
        inbox.ended(seconds: seconds)
    }

    /// Ends a request with what its samples have produced.
    private func end(_ request: Int, throwing error: (any Error)? = nil, keepsContent: Bool = true) {
        guard let ids = sequenceIDs.removeValue(forKey: request) else { return }
        for id in ids.compactMap({ $0 }) {
            scheduler[id]?.state.submission.channel.finish(throwing: error)
            scheduler.remove(id, keepsContent: keepsContent)
        }
        inbox.ended(seconds: nil)
    }

    /// Ends a request with an error.
    func fail(_ request: Int, _ error: any Error, keepsContent: Bool = true) {
        guard sequenceIDs[request] != nil else { return }
        counters.failedCount += 1
        end(request, throwing: error, keepsContent: keepsContent)
    }

    private func cancelWithResult(_ request: Int) {
        let now = ContinuousClock.now
        let count = sequenceIDs[request]?.compactMap { $0 }.first.flatMap { scheduler[$0]?.state.request.count } ?? 0
        for sample in 0..<count {
            let ids = sequenceIDs[request] ?? []
            // Samples that were never begun only report their end.
            guard sample >= ids.count || ids[sample] != nil else { continue }
            let sequence = (sample < ids.count ? ids[sample] : ids.compactMap { $0 }.first).flatMap { scheduler[$0] }
            guard let sequence else { continue }
            let event = SampleEvent(
                sample: sample, token: nil, score: nil, finish: (.cancelled, nil),
                cachedTokenCount: sequence.cachedCount ?? 0, start: sequence.state.start ?? now, time: now)
            _ = sequence.state.submission.channel.push(event)
        }
        counters.cancelledCount += 1
        end(request)
    }
}
