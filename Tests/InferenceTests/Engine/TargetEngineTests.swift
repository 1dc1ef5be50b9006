import CPUBackend
import Foundation
import Inference
import TensorCore
import TestSupport
import Testing

/// Encoder-decoders in the engine's passes write what `Translator` writes, which is compared with `transformers`.
@Suite("Encoder-decoders in the engine")
struct TargetEngineTests {
    private static let models = ["t5", "bart", "marian"]
    private static let texts = [
        "the king speaks", "a dog", "What say you, my lord? The night is long and the wine is cold.",
        "one two three four five six seven", "He", "Speak again, bright angel, for thou art as glorious to this night",
    ]

    /// A fixture with its tokenizer, which several models share.
    private func package(_ name: String, _ changes: [String: Any] = [:]) throws -> ModelPackage {
        let files = FileManager.default
        let folder = files.temporaryDirectory.appendingPathComponent("infer-target-\(name)-\(UUID().uuidString)")
        defer { try? files.removeItem(at: folder) }
        try files.copyItem(at: ReferenceMaterial.fixtures.appendingPathComponent("tasks/\(name)"), to: folder)
        try files.copyItem(
            at: ReferenceMaterial.fixtures.appendingPathComponent("tokenizers/unigram/tokenizer.json"),
            to: folder.appendingPathComponent("tokenizer.json"))
        let file = folder.appendingPathComponent("generation_config.json")
        let object = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any] ?? [:]
        try JSONSerialization.data(withJSONObject: object.merging(changes) { $1 }).write(to: file)
        return try ModelPackage(path: folder.path)
    }

    private func translations(_ package: ModelPackage, _ count: Int) throws -> [Translation] {
        var search = SearchOptions()
        search.beamCount = 1
        search.maximumNewTokens = count
        let options = TaskOptions(engine: EngineOptions(precision: .highest))
        return try Translator(package, on: CPUBackend(), search: search, options: options)
            .run(Self.texts).map { try #require($0.first) }
    }

    private func request(_ package: ModelPackage, _ text: String, _ count: Int) throws -> GenerationRequest {
        GenerationRequest(promptTokens: try package.promptTokens(for: text), maxTokens: count)
    }

    /// What the engine wrote, without the token that ended it.
    private func written(
        _ engine: Engine, _ request: GenerationRequest
    ) async throws -> (tokens: [Int], text: String, result: GenerationResult) {
        var (tokens, text, result) = try await collect(try engine.generate(request))
        if case .endOfSequence = result.stopCause { tokens.removeLast() }
        return (tokens, text, result)
    }

    @Test("texts written together, and some of them again, are those of each alone", arguments: InferenceDevice.fast)
    func together(device: InferenceDevice) async throws {
        for name in Self.models {
            let package = try package(name)
            let expected = try translations(package, 24)
            // Room for about three of the six, so that some are preempted, encoded and written again.
            let options = EngineOptions(
                contextLength: 48, cacheTokenCount: 160, sequenceCount: 4, precision: .highest)
            let engine = try await Engine(package, on: device.make(), options: options)
            try await withThrowingTaskGroup(of: (Int, [Int], String).self) { group in
                for (index, text) in Self.texts.enumerated() {
                    let request = try request(package, text, 24)
                    group.addTask {
                        let (tokens, text, _) = try await self.written(engine, request)
                        return (index, tokens, text)
                    }
                }
                for try await (index, tokens, text) in group {
                    // The engine's last token may be one that the rules force at the greatest length.
                    #expect(tokens.prefix { $0 != 2 } == expected[index].tokens[...], "\(name) \(index) \(device.name)")
                    #expect(text == expected[index].text, "\(name) \(index) on \(device.name)")
                }
            }
            await engine.shutdown()
            #expect(engine.status.usedBlockCount == 0)
            #expect(engine.status.failedCount == 0)
        }
    }

    @Test("a least length of the model's files gives way to the greatest, one that is asked for does not")
    func leastLengths() throws {
        let package = try package("t5", ["min_new_tokens": 30])
        #expect(try translations(package, 5).allSatisfy { $0.tokens.count == 5 })
        var search = SearchOptions()
        (search.maximumNewTokens, search.minimumNewTokens) = (5, 6)
        #expect(throws: InferenceError.self) { try Translator(package, on: CPUBackend(), search: search) }
    }

    @Test("a text that is given up leaves no blocks, and the others go on as if it had not been")
    func cancelled() async throws {
        for name in Self.models {
            let package = try package(name, ["eos_token_id": 383, "forced_eos_token_id": NSNull()])
            let options = EngineOptions(contextLength: 64, cacheTokenCount: 640, sequenceCount: 4, precision: .highest)
            let engine = try await Engine(package, on: CPUBackend(), options: options)
            var endless = try request(package, Self.texts[2], 60)
            endless.ignoresEndOfSequence = true
            var other = try request(package, Self.texts[5], 40)
            other.ignoresEndOfSequence = true
            let alone = try await collect(try engine.generate(other)).tokens
            async let beside = collect(try engine.generate(other)).tokens
            var count = 0
            for try await _ in try engine.generate(endless) {
                count += 1
                if count == 5 { break }
            }
            #expect(try await beside == alone)
            await engine.shutdown()
            #expect(engine.status.usedBlockCount == 0, "\(name)")
            #expect(engine.status.cancelledCount == 1)
        }
    }

    @Test("equal beginnings behind different sources share nothing, equal sources may")
    func sources() async throws {
        let package = try package("t5")
        let engine = try await Engine(
            package, on: CPUBackend(),
            options: EngineOptions(contextLength: 64, cacheTokenCount: 1024, sequenceCount: 2, precision: .highest))
        var requests = try Self.texts.prefix(3).map { try request(package, $0, 40) }
        for index in requests.indices { requests[index].ignoresEndOfSequence = true }
        var first: [[Int]] = []
        for request in requests { first.append(try await collect(try engine.generate(request)).tokens) }
        // Once more in another order, with what the first ones left in the cache.
        for index in requests.indices.reversed() {
            #expect(try await collect(try engine.generate(requests[index])).tokens == first[index], "\(index)")
        }
    }

    @Test("samples of a request share its source; each is what its seed alone gives")
    func samples() async throws {
        for name in ["t5", "marian"] {
            let package = try package(name)
            let options = EngineOptions(contextLength: 64, cacheTokenCount: 640, sequenceCount: 3, precision: .highest)
            let engine = try await Engine(package, on: CPUBackend(), options: options)
            var request = try request(package, Self.texts[2], 20)
            request.ignoresEndOfSequence = true
            request.sampling = SamplingParameters(temperature: 1, topK: 20, seed: 11)
            request.count = 5
            var samples = Array(repeating: [Int](), count: 5)
            for try await update in try engine.generate(request) { samples[update.sample] += update.tokens }
            request.count = 1
            for (index, sample) in samples.enumerated() {
                request.sampling.seed = 11 + UInt64(index)
                #expect(try await collect(try engine.generate(request)).tokens == sample, "\(name) sample \(index)")
            }
            #expect(Set(samples).count > 1)
            // Marian's bad words hold the padding, which no draw may give.
            if name == "marian" { #expect(!samples.joined().contains(0)) }
            await engine.shutdown()
            #expect(engine.status.usedBlockCount == 0)
        }
    }

    @Test("rules of the model's files hold while sampling: first and last tokens, n-grams, least lengths")
    func rules() async throws {
        let package = try package(
            "bart", ["forced_bos_token_id": 9, "no_repeat_ngram_size": 2, "min_length": 12])
        let engine = try await Engine(
            package, on: CPUBackend(), options: EngineOptions(contextLength: 64, sequenceCount: 2))
        var request = try request(package, Self.texts[0], 16)
        request.sampling = SamplingParameters(temperature: 1.5, seed: 3)
        for seed in 0..<8 {
            request.sampling.seed = UInt64(seed)
            let (tokens, _, _) = try await collect(try engine.generate(request))
            #expect(tokens.first == 9)
            // The token that texts begin with counts; it is the one that ends them, too.
            #expect(tokens.count >= 12)
            #expect(tokens.count < 16 || tokens.last == 2)
            // The last one may be forced, whatever came before it.
            let all = [2] + tokens.dropLast()
            let pairs = zip(all, all.dropFirst()).map { [$0, $1] }
            #expect(Set(pairs).count == pairs.count)
        }
    }

    @Test("bad requests are refused by name")
    func refusals() async throws {
        let package = try package("bart")
        let engine = try await Engine(
            package, on: CPUBackend(), options: EngineOptions(contextLength: 32, sequenceCount: 1))
        func refused(_ request: GenerationRequest) -> InferenceError? {
            #expect(throws: InferenceError.self) { _ = try engine.generate(request) }
        }
        #expect(refused(GenerationRequest(promptTokens: [])) == .emptyPrompt)
        #expect(
            refused(GenerationRequest(promptTokens: Array(repeating: 5, count: 33)))
                == .contextLengthExceeded(promptTokenCount: 33, contextLength: 32))
        #expect(refused(GenerationRequest(promptTokens: [5], maxTokens: 1, promptLogProbabilities: 0)) != nil)
        // A source as long as the context leaves the text all of its room.
        let full = GenerationRequest(promptTokens: Array(repeating: 5, count: 32), ignoresEndOfSequence: true)
        let (tokens, _, result) = try await collect(try engine.generate(full))
        #expect(tokens.count == 31)
        #expect(result.finishReason == .length)
        await #expect(throws: InferenceError.self) {
            _ = try await Engine(
                try self.package("t5"), on: CPUBackend(), options: EngineOptions(contextLength: 32, cacheType: .int8))
        }
    }
}
