import CPUBackend
import Foundation
import Inference
import TensorCore
import TestSupport
import Testing

@Suite("Engine")
struct EngineTests {
    private func llama() throws -> ModelPackage {
        try ModelPackage(path: ReferenceMaterial.fixtures.appendingPathComponent("models/llama").path)
    }

    private func prompts(_ count: Int) -> [[Int]] {
        var random = SplitMix64(name: "engine prompts")
        return (0..<count).map { index in (0..<(5 + 13 * index)).map { _ in Int(random.next() % 380) + 3 } }
    }

    @Test("the library in a few lines: load, stream, stop")
    func library() async throws {
        let engine = try await Engine(ModelPackage.bundled(), on: CPUBackend())
        var text = ""
        for try await update in try engine.generate("To be, or not", maxTokens: 8) {
            text += update.text
        }
        #expect(!text.isEmpty)
    }

    @Test("sequences that run together write what each writes alone", arguments: InferenceDevice.fast)
    func together(device: InferenceDevice) async throws {
        let package = try llama()
        let alone = try await Engine(package, on: device.make())
        var expected: [[Int]] = []
        let prompts = prompts(6)
        for prompt in prompts {
            let request = GenerationRequest(promptTokens: prompt, maxTokens: 20, ignoresEndOfSequence: true)
            expected.append(try await collect(try alone.generate(request)).tokens)
        }
        // A cache too small for all of them at once, so that some are preempted and computed again.
        let options = EngineOptions(cacheTokenCount: 256, passTokenCount: 32, sequenceCount: 4)
        let engine = try await Engine(package, on: device.make(), options: options)
        try await withThrowingTaskGroup(of: (Int, [Int]).self) { group in
            for (index, prompt) in prompts.enumerated() {
                group.addTask {
                    let request = GenerationRequest(promptTokens: prompt, maxTokens: 20, ignoresEndOfSequence: true)
                    return (index, try await collect(try engine.generate(request)).tokens)
                }
            }
            for try await (index, tokens) in group { #expect(tokens == expected[index], "sequence \(index)") }
        }
    }

    @Test("a second request with the same prompt finds its prefix in the cache and writes the same")
    func prefixCache() async throws {
        let engine = try await Engine(try llama(), on: CPUBackend())
        let request = GenerationRequest(promptTokens: prompts(4)[3], maxTokens: 12, ignoresEndOfSequence: true)
        let first = try await collect(try engine.generate(request))
        let second = try await collect(try engine.generate(request))
        #expect(first.result.cachedTokenCount == 0)
        // All but the last token, which must be computed to go on from; of its block the beginning is copied.
        #expect(second.result.cachedTokenCount == request.promptTokens.count - 1)
        #expect(second.tokens == first.tokens)
    }

    @Test("dropping a stream frees its blocks and lets others go on")
    func cancellation() async throws {
        let options = EngineOptions(contextLength: 512, cacheTokenCount: 512)
        let engine = try await Engine(try llama(), on: CPUBackend(), options: options)
        // Nearly the whole cache: a second one can only run when the first is gone.
        let long = GenerationRequest(promptTokens: [5, 6, 7], maxTokens: 500, ignoresEndOfSequence: true)
        var received = 0
        for try await _ in try engine.generate(long) {
            received += 1
            if received == 3 { break }
        }
        let other = GenerationRequest(
            promptTokens: (0..<390).map { 10 + $0 % 300 }, maxTokens: 100, ignoresEndOfSequence: true)
        #expect(try await collect(try engine.generate(other)).tokens.count == 100)
    }

    @Test("the same seed gives the same text on every device")
    func seeds() async throws {
        let package = try ModelPackage.bundled()
        let sampling = SamplingParameters(temperature: 1, topK: 50, topP: 0.95, seed: 42)
        var texts: Set<String> = []
        for device in InferenceDevice.all {
            let engine = try await Engine(package, on: device.make())
            texts.insert(try await collect(try engine.generate("KING:", sampling: sampling, maxTokens: 60)).text)
        }
        #expect(texts.count == 1)
    }

    @Test("stop strings, end of sequence and length end as they should")
    func finishing() async throws {
        let package = try ModelPackage.bundled()
        let engine = try await Engine(package, on: CPUBackend())
        let tokens = try package.promptTokens(for: "To be, or not")
        let free = try await collect(try engine.generate(GenerationRequest(promptTokens: tokens, maxTokens: 40)))
        #expect(free.result.finishReason == .length)
        let word = try #require(free.text.split(separator: " ").dropFirst(3).first.map(String.init))
        let stopped = try await collect(
            try engine.generate(GenerationRequest(promptTokens: tokens, maxTokens: 40, stopStrings: [word])))
        #expect(stopped.result.finishReason == .stop)
        let end = try #require(free.text.range(of: word)?.lowerBound)
        #expect(stopped.text == String(free.text[..<end]))
    }

    @Test("bad requests are refused by name")
    func refusals() async throws {
        let engine = try await Engine(
            try llama(), on: CPUBackend(), options: EngineOptions(contextLength: 64))
        func refused(_ request: GenerationRequest) -> InferenceError? {
            #expect(throws: InferenceError.self) { _ = try engine.generate(request) }
        }
        #expect(refused(GenerationRequest(promptTokens: [])) == .emptyPrompt)
        #expect(
            refused(GenerationRequest(promptTokens: Array(repeating: 5, count: 64)))
                == .contextLengthExceeded(promptTokenCount: 64, contextLength: 64))
        #expect(refused(GenerationRequest(promptTokens: [384])) == .tokenOutOfRange(id: 384, vocabularySize: 384))
        #expect(refused(GenerationRequest(promptTokens: [-1])) == .tokenOutOfRange(id: -1, vocabularySize: 384))
        #expect(refused(GenerationRequest(promptTokens: [5], maxTokens: 0)) != nil)
        await #expect(throws: InferenceError.self) {
            _ = try await Engine(try llama(), on: CPUBackend(), options: EngineOptions(contextLength: 100_000))
        }
    }

    @Test("generation stops at the end of the context")
    func fullContext() async throws {
        let engine = try await Engine(try llama(), on: CPUBackend(), options: EngineOptions(contextLength: 20))
        let request = GenerationRequest(promptTokens: Array(5..<15), ignoresEndOfSequence: true)
        let (tokens, _, result) = try await collect(try engine.generate(request))
        #expect(tokens.count == 10)
        #expect(result.finishReason == .length)
    }
}
