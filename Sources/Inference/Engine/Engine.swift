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
/// The engine is an actor on a thread of its own: a pass that waits for the device blocks nobody else. Requests that are
/// there together share passes. Dropping a stream cancels its request and frees its blocks.
public actor Engine {
    public nonisolated let description: DecoderDescription
    public nonisolated let tokenizer: Tokenizer?
    /// The model's own sampling recommendations and special tokens.
    public nonisolated let package: ModelPackage
    /// Tokens of the longest context.
    public nonisolated let contextLength: Int

    private let executor = DeviceExecutor()
    private let runner: DecoderRunner
    private let endOfSequence: Set<Int>
    private var scheduler: Scheduler
    private var sequences: [Int: EngineSequence] = [:]
    private var nextID = 0
    private var isRunning = false

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Loads a model onto a backend. Blocks the engine's thread while weights are prepared.
    /// - Throws: `LoadError` for the files, `BackendError` for the device, `InferenceError` for the options.
    public init(_ package: ModelPackage, on backend: any Backend, options: EngineOptions = EngineOptions()) async throws
    {
        self.package = package
        tokenizer = package.tokenizer
        runner = try package.makeRunner(on: backend, options: options, logitRowCount: options.sequenceCount)
        description = runner.model.description
        contextLength = runner.limits.contextLength
        endOfSequence = package.endOfSequenceTokens
        scheduler = Scheduler(
            limits: Scheduler.Limits(
                tokenCount: runner.limits.tokenCount, sequenceCount: options.sequenceCount, contextLength: contextLength
            ),
            pool: BlockPool(
                blockCount: runner.cache.shape.blockCount, blockSizeInTokens: options.blockSizeInTokens))
    }

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

    /// Continues a prompt of token ids.
    /// - Throws: `InferenceError` where the request cannot be served. Errors of the device arrive on the stream.
    public nonisolated func generate(
        _ request: GenerationRequest
    ) throws -> AsyncThrowingStream<GenerationUpdate, any Error> {
        try validate(request)
        return AsyncThrowingStream { continuation in
            let submission = Task { await self.submit(request, continuation) }
            continuation.onTermination = { termination in
                guard case .cancelled = termination else { return }
                Task {
                    // The id is known once the submission ran; cancelling before that still finds it.
                    let id = await submission.value
                    await self.cancel(id)
                }
            }
        }
    }

    private nonisolated func validate(_ request: GenerationRequest) throws {
        guard !request.promptTokens.isEmpty else { throw InferenceError.emptyPrompt }
        guard request.promptTokens.count < contextLength else {
            throw InferenceError.promptTooLong(tokenCount: request.promptTokens.count, contextLength: contextLength)
        }
        if let id = request.promptTokens.first(where: { !(0..<description.vocabularySize).contains($0) }) {
            throw InferenceError.tokenOutOfRange(id: id, vocabularySize: description.vocabularySize)
        }
        if let maxTokens = request.maxTokens, maxTokens < 1 {
            throw InferenceError.invalidParameter(
                name: "max-tokens", value: "\(maxTokens)", expected: "an integer from 1")
        }
        try request.sampling.validate(vocabularySize: description.vocabularySize)
    }

    private func submit(
        _ request: GenerationRequest, _ continuation: AsyncThrowingStream<GenerationUpdate, any Error>.Continuation
    ) -> Int {
        let id = nextID
        nextID += 1
        do {
            let seed = request.sampling.seed ?? UInt64.random(in: .min ... .max)
            var sampler = Sampler(parameters: request.sampling, seed: seed)
            let prompt = request.promptTokens.map(Int32.init)
            sampler.observePrompt(prompt)
            var detokenizer = tokenizer.map { $0.makeDetokenizer(skipSpecialTokens: true) }
            // The prompt goes through the detokenizer so that the continuation joins it as decoding both together would.
            for token in request.promptTokens { _ = try detokenizer?.push(token) }
            let room = contextLength - request.promptTokens.count
            sequences[id] = EngineSequence(
                request: request, continuation: continuation, seed: seed,
                maxTokens: min(request.maxTokens ?? room, room), arrival: .now, sampler: sampler,
                detokenizer: detokenizer, stopMatcher: StopMatcher(request.stopStrings))
            scheduler.add(id: id, tokens: prompt)
            if !isRunning {
                isRunning = true
                Task { await run() }
            }
        } catch {
            continuation.finish(throwing: error)
        }
        return id
    }

    private func cancel(_ id: Int) {
        guard sequences.removeValue(forKey: id) != nil else { return }
        scheduler.remove(id)
    }

    /// Steps while there is work; between steps, submissions and cancellations get their turn.
    private func run() async {
        while !scheduler.isIdle {
            do {
                try step()
            } catch {
                fail(error)
            }
            await Task.yield()
        }
        isRunning = false
    }

    /// Ends every request with an error that concerns the device or the engine as a whole.
    private func fail(_ error: any Error) {
        for (id, sequence) in sequences {
            scheduler.remove(id)
            sequence.continuation.finish(throwing: error)
        }
        sequences = [:]
    }

    /// One pass: schedule, run, choose tokens, hand them out.
    private func step() throws {
        let entries = try scheduler.schedule()
        var batch = HostBatch()
        var sampled: [Int] = []
        for entry in entries {
            batch.tokenIDs += entry.tokens
            batch.positions += entry.positions.map(Int32.init)
            batch.slots += entry.slots
            batch.queryCounts.append(entry.tokens.count)
            batch.contextLengths.append(entry.positions.upperBound)
            batch.blockTables.append(entry.blocks)
            if entry.needsToken {
                batch.logitRows.append(Int32(batch.tokenIDs.count - 1))
                sampled.append(entry.id)
            }
        }
        let logits = try runner.run(batch)
        // A pass that only fills the cache needs no answer; the next one queues behind it.
        guard !sampled.isEmpty else { return try runner.backend.synchronize() }
        let tokens = try choose(logits, for: sampled)
        let now = ContinuousClock.now
        for (id, token) in zip(sampled, tokens) { deliver(token, to: id, at: now) }
    }

    /// Chooses a token for each row, with as little data from the device as the rows' parameters allow.
    private func choose(_ logits: Tensor, for ids: [Int]) throws -> [Int32] {
        let vocabularySize = description.vocabularySize
        var topK = 1
        var needsAll = false
        for id in ids {
            switch sequences[id]?.sampler.requirement(maxTopK: runner.maxTopK, vocabularySize: vocabularySize) {
            case .topK(let count): topK = max(topK, count)
            case .allLogits: needsAll = true
            case nil: break
            }
        }
        if needsAll {
            let rows = try runner.backend.readFloats(logits)
            return try rows.withUnsafeBufferPointer { rows in
                try ids.enumerated().map { index, id in
                    let row = UnsafeBufferPointer(rebasing: rows[index * vocabularySize..<(index + 1) * vocabularySize])
                    let token = sequences[id]?.sampler.choose(logits: row) ?? 0
                    guard row[Int(token)].isFinite else { throw nonFinite(id) }
                    return token
                }
            }
        }
        let candidates = try runner.topK(logits, count: topK)
        return try zip(ids, candidates).map { id, row in
            guard row.first?.logit.isFinite ?? false else { throw nonFinite(id) }
            return sequences[id]?.sampler.choose(candidates: row) ?? 0
        }
    }

    private func nonFinite(_ id: Int) -> InferenceError {
        .nonFiniteLogits(step: sequences[id]?.tokenCount ?? 0)
    }

    private func deliver(_ token: Int32, to id: Int, at now: ContinuousClock.Instant) {
        guard var sequence = sequences[id] else { return }
        do {
            let (text, finish) = try sequence.accept(token, endOfSequence: endOfSequence, at: now)
            sequences[id] = sequence
            var result: GenerationResult?
            if let finish {
                sequences[id] = nil
                let cached = scheduler.remove(id)
                result = sequence.result(finish, cachedTokenCount: cached, at: now)
            } else {
                scheduler.append(token, to: id)
            }
            sequence.continuation.yield(GenerationUpdate(token: Int(token), text: text, result: result))
            if result != nil { sequence.continuation.finish() }
        } catch {
            sequences[id] = nil
            scheduler.remove(id)
            sequence.continuation.finish(throwing: error)
        }
    }
}
