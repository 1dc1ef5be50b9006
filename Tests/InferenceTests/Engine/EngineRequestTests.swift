import CPUBackend
import Foundation
import Inference
import TensorCore
import TestSupport
import Testing

/// What requests may ask of an engine besides a continuation.
@Suite("Requests to an engine")
struct EngineRequestTests {
    private func llama() throws -> ModelPackage {
        try ModelPackage(path: ReferenceMaterial.fixtures.appendingPathComponent("models/llama").path)
    }

    private func prompt(_ count: Int, _ name: String = "requests") -> [Int] {
        var random = SplitMix64(name: name)
        return (0..<count).map { _ in Int(random.next() % 380) + 3 }
    }

    /// Updates by sample.
    private func collectSamples(_ engine: Engine, _ request: GenerationRequest) async throws -> [[GenerationUpdate]] {
        var samples = Array(repeating: [GenerationUpdate](), count: request.count)
        for try await update in try engine.generate(request) { samples[update.sample].append(update) }
        return samples
    }

    @Test("a decoder follows the rules of generation_config.json")
    func followsRules() async throws {
        let files = FileManager.default
        let folder = files.temporaryDirectory.appendingPathComponent("infer-rules-\(UUID().uuidString)")
        defer { try? files.removeItem(at: folder) }
        try files.copyItem(at: ReferenceMaterial.fixtures.appendingPathComponent("models/llama"), to: folder)
        let options = EngineOptions(contextLength: 128, sequenceCount: 2, precision: .highest)
        let prompt = prompt(9)
        let sampling = SamplingParameters(temperature: 0)
        func written(_ rules: [String: Any], maxTokens: Int = 12) async throws -> [Int] {
            try JSONSerialization.data(withJSONObject: rules)
                .write(to: folder.appendingPathComponent("generation_config.json"))
            let engine = try await Engine(ModelPackage(path: folder.path), on: CPUBackend(), options: options)
            let request = GenerationRequest(promptTokens: prompt, sampling: sampling, maxTokens: maxTokens)
            let tokens = try await collect(try engine.generate(request)).tokens
            await engine.shutdown()
            return tokens
        }
        let free = try await written(["eos_token_id": 2])
        let first = try #require(free.first)
        // Ends with the first token, were it not for the least length.
        #expect(try await written(["eos_token_id": first]) == [first])
        let longer = try await written(["eos_token_id": first, "min_new_tokens": 4])
        #expect(longer.count >= 5 && !longer.prefix(4).contains(first))
        #expect(try await written(["eos_token_id": first, "min_length": prompt.count + 4]) == longer)
        let suppressed = try await written(["eos_token_id": 2, "suppress_tokens": [first]])
        #expect(!suppressed.contains(first) && suppressed.count == 12)
        #expect(try await written(["eos_token_id": 2, "bad_words_ids": [[first]]]) == suppressed)
        let unrepeated = try await written(["eos_token_id": 2, "no_repeat_ngram_size": 1])
        #expect(Set(unrepeated).count == unrepeated.count && Set(unrepeated).isDisjoint(with: prompt))
        #expect(try await written(["eos_token_id": 2, "forced_eos_token_id": 2]) == Array(free.prefix(11)) + [2])
    }

    @Test("a text ends where generation_config.json's stop strings say, unless its end is ignored")
    func recommendedStops() async throws {
        let files = FileManager.default
        let folder = files.temporaryDirectory.appendingPathComponent("infer-stops-\(UUID().uuidString)")
        defer { try? files.removeItem(at: folder) }
        try files.copyItem(at: ReferenceMaterial.fixtures.appendingPathComponent("models/llama"), to: folder)
        let prompt = prompt(9)
        func written(
            _ stops: [String], ignoring: Bool = false
        ) async throws -> (tokens: [Int], text: String, result: GenerationResult) {
            try JSONSerialization.data(withJSONObject: ["eos_token_id": 2, "stop_strings": stops] as [String: Any])
                .write(to: folder.appendingPathComponent("generation_config.json"))
            let options = EngineOptions(contextLength: 128, precision: .highest)
            let engine = try await Engine(ModelPackage(path: folder.path), on: CPUBackend(), options: options)
            let request = GenerationRequest(promptTokens: prompt, maxTokens: 24, ignoresEndOfSequence: ignoring)
            let found = try await collect(try engine.generate(request))
            await engine.shutdown()
            return found
        }
        let free = try await written(["never in there"])
        let stop = String(free.text.suffix(3))
        try #require(!stop.isEmpty)
        let stopped = try await written(["never in there", stop])
        let end = try #require(free.text.range(of: stop)?.lowerBound)
        #expect(stopped.text == String(free.text[..<end]) && stopped.result.finishReason == .stop)
        #expect(try await written([stop], ignoring: true).text.hasPrefix(free.text))
    }

    @Test("several samples are what as many requests with their seeds give, and compute the prompt once")
    func samples() async throws {
        let options = EngineOptions(
            contextLength: 128, cacheTokenCount: 512, sequenceCount: 3, precision: .highest)
        let engine = try await Engine(try llama(), on: CPUBackend(), options: options)
        let sampling = SamplingParameters(temperature: 1, seed: 7)
        var request = GenerationRequest(
            promptTokens: prompt(45), sampling: sampling, maxTokens: 12, ignoresEndOfSequence: true, count: 5)
        let samples = try await collectSamples(engine, request)
        #expect(engine.status.promptTokenCount == 45 && engine.status.prefixCacheHitTokenCount == 0)
        request.count = 1
        for (index, sample) in samples.enumerated() {
            request.sampling.seed = 7 + UInt64(index)
            let alone = try await collect(try engine.generate(request))
            #expect(sample.flatMap(\.tokens) == alone.tokens, "sample \(index)")
            let result = try #require(sample.last?.result)
            #expect(result.seed == 7 + UInt64(index) && result.tokenCount == 12)
        }
        #expect(Set(samples.map { $0.flatMap(\.tokens) }).count > 1)
        // Blocks come back between two passes, a moment after the stream has ended.
        for _ in 0..<200 where engine.status.usedBlockCount > 0 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(engine.status.usedBlockCount == 0)
    }

    @Test("log-probabilities are the log-softmax of the logits, of the prompt and of what is produced")
    func logProbabilities() async throws {
        let engine = try await Engine(
            try llama(), on: CPUBackend(), options: EngineOptions(passTokenCount: 7, precision: .highest))
        let tokens = prompt(20)
        let request = GenerationRequest(
            promptTokens: tokens, sampling: SamplingParameters(temperature: 2, logitBias: [9: 4], seed: 1),
            maxTokens: 6,
            ignoresEndOfSequence: true, logProbabilities: 3, promptLogProbabilities: 2)
        let updates = try await collectSamples(engine, request)[0]
        let prompt = updates.flatMap(\.promptLogProbabilities)
        let output = updates.flatMap(\.logProbabilities)
        #expect(prompt.map(\.token) == Array(tokens.dropFirst()))
        #expect(output.map(\.token) == updates.flatMap(\.tokens))
        // The whole text as a prompt scores its end the same.
        let whole = tokens + updates.flatMap(\.tokens)
        let again = try await collectSamples(
            engine,
            GenerationRequest(promptTokens: whole, maxTokens: 0, promptLogProbabilities: 383 / 3))[0]
        let scored = again.flatMap(\.promptLogProbabilities)
        #expect(scored.count == whole.count - 1 && again.flatMap(\.tokens).isEmpty)
        #expect(again.last?.result?.finishReason == .length)
        for (one, other) in zip(prompt + output, scored) {
            #expect(one.token == other.token)
            #expect(abs(one.logProbability - other.logProbability) < 1e-4)
            #expect(one.alternatives.map(\.token) == other.alternatives.prefix(one.alternatives.count).map(\.token))
            let total = other.alternatives.reduce(0) { $0 + exp($1.logProbability) }
            #expect(total <= 1 + 1e-6 && total > 0.1)
            #expect(one.alternatives.first.map { $0.logProbability >= one.logProbability } ?? true)
        }
    }

    @Test("the bytes of tokens joined are the text")
    func tokenBytes() async throws {
        let engine = try await Engine(ModelPackage.bundled(), on: CPUBackend())
        let request = GenerationRequest(
            promptTokens: try engine.package.promptTokens(for: "To be, or not"), maxTokens: 30, logProbabilities: 0)
        var text = ""
        var bytes: [UInt8] = []
        for try await update in try engine.generate(request) {
            text += update.text
            bytes += update.logProbabilities.flatMap(\.bytes)
        }
        #expect(!text.isEmpty && String(decoding: bytes, as: UTF8.self) == text)
    }

    @Test("what stopped an answer is told")
    func stopCauses() async throws {
        let engine = try await Engine(try llama(), on: CPUBackend())
        var request = GenerationRequest(promptTokens: prompt(9), maxTokens: 20, ignoresEndOfSequence: true)
        let free = try await collect(try engine.generate(request))
        #expect(free.result.finishReason == .length && free.result.stopCause == nil)
        let token = free.tokens[4]
        request.stopTokens = [token]
        let stopped = try await collect(try engine.generate(request))
        #expect(stopped.result.stopCause == .token(token))
        #expect(stopped.tokens == Array(free.tokens[...(free.tokens.firstIndex(of: token) ?? 0)]))
        #expect(free.text.hasPrefix(stopped.text) && stopped.text != free.text)
        let bundled = try await Engine(ModelPackage.bundled(), on: CPUBackend())
        var other = GenerationRequest(promptTokens: try bundled.package.promptTokens(for: "KING"), maxTokens: 40)
        let text = try await collect(try bundled.generate(other)).text
        let word = String(text.dropFirst(6).prefix(4))
        other.stopStrings = ["never in there", word]
        let result = try await collect(try bundled.generate(other)).result
        #expect(result.finishReason == .stop && result.stopCause == .string(word))
        #expect(result.tokenCount < 40)
    }

    @Test("requests of different salts share nothing")
    func salts() async throws {
        let engine = try await Engine(try llama(), on: CPUBackend())
        var request = GenerationRequest(promptTokens: prompt(60), maxTokens: 5, ignoresEndOfSequence: true)
        var found: [Int] = []
        for salt in ["a", "b", "a", nil] {
            request.cacheSalt = salt
            found.append(try await collect(try engine.generate(request)).result.cachedTokenCount)
        }
        #expect(found == [0, 0, 59, 0])
    }

    @Test("a full queue refuses, and what can never fit is refused at once")
    func queue() async throws {
        let options = EngineOptions(contextLength: 512, cacheTokenCount: 1024, sequenceCount: 1, queueCapacity: 2)
        let engine = try await Engine(try llama(), on: CPUBackend(), options: options)
        let request = GenerationRequest(promptTokens: prompt(300), maxTokens: 200, ignoresEndOfSequence: true)
        var streams = try (0..<3).map { _ in try engine.generate(request) }
        let error = #expect(throws: InferenceError.self) { _ = try engine.generate(request) }
        guard case .queueFull(2, let seconds)? = error else {
            Issue.record("refused with \(String(describing: error))")
            return
        }
        #expect(seconds >= 1)
        var many = request
        many.count = 4
        #expect(throws: InferenceError.requestTooLarge(sampleCount: 4, capacity: 3)) { _ = try engine.generate(many) }
        // One that leaves makes room.
        streams.removeLast()
        while engine.status.waitingCount + engine.status.runningCount > 2 || engine.status.cancelledCount == 0 {
            try await Task.sleep(for: .milliseconds(1))
        }
        streams.append(try engine.generate(request))
        for stream in streams { #expect(try await collect(stream).tokens.count == 200) }
    }

    @Test("a reader that does not read pauses its own request, holds no others up, and loses nothing")
    func slowReader() async throws {
        let options = EngineOptions(
            contextLength: 400, cacheTokenCount: 400, sequenceCount: 1, streamCapacity: 8)
        let engine = try await Engine(try llama(), on: CPUBackend(), options: options)
        let request = GenerationRequest(promptTokens: prompt(20), maxTokens: 100, ignoresEndOfSequence: true)
        let expected = try await collect(try engine.generate(request)).tokens
        let slow = try engine.generate(request)
        while engine.status.pausedCount == 0 { try await Task.sleep(for: .milliseconds(1)) }
        let produced = engine.status.generatedTokenCount
        // It takes the only place, and nearly all blocks are needed.
        let other = GenerationRequest(promptTokens: prompt(300, "other"), maxTokens: 90, ignoresEndOfSequence: true)
        #expect(try await collect(try engine.generate(other)).tokens.count == 90)
        // A token that is on its way when its reader leaves may count or not.
        #expect(abs(engine.status.generatedTokenCount - (produced + 90)) <= 1)
        #expect(try await collect(slow).tokens == expected)
    }

    @Test("shutting down drains, refuses new requests, and can end the rest early")
    func shutdown() async throws {
        let engine = try await Engine(try llama(), on: CPUBackend())
        let request = GenerationRequest(promptTokens: prompt(20), maxTokens: 30, ignoresEndOfSequence: true)
        async let draining = collect(try engine.generate(request))
        while engine.status.passCount == 0 { await Task.yield() }
        await engine.shutdown()
        #expect(try await draining.tokens.count == 30)
        #expect(!engine.status.acceptsRequests)
        #expect(throws: InferenceError.self) { _ = try engine.generate(request) }
        let other = try await Engine(try llama(), on: CPUBackend(), options: EngineOptions(streamCapacity: 4))
        var two = request
        two.count = 2
        let stream = try other.generate(two)
        while other.status.pausedCount == 0 { await Task.yield() }
        await other.shutdown(cancellingRequests: true)
        var reasons: [FinishReason] = []
        for try await update in stream { if let result = update.result { reasons.append(result.finishReason) } }
        #expect(reasons == [.cancelled, .cancelled])
        #expect(other.status.usedBlockCount == 0)
    }

    @Test("status counts what was done")
    func status() async throws {
        let engine = try await Engine(try llama(), on: CPUBackend())
        #expect(engine.status.blockCount == 32 && engine.status.cacheUsage == 0)
        let request = GenerationRequest(promptTokens: prompt(40), maxTokens: 5, ignoresEndOfSequence: true)
        _ = try await collect(try engine.generate(request))
        await engine.shutdown()
        let status = engine.status
        #expect(status.promptTokenCount == 40 && status.generatedTokenCount == 5 && status.completedCount == 1)
        #expect(status.passCount == 5 && status.passStart == nil && status.lastPassEnd != nil)
        #expect(status.usedBlockCount == 0 && status.cachedBlockCount == 2)
    }
}
