import CPUBackend
import Foundation
import Inference
import TensorCore
import TestSupport
import Testing

/// Many requests of mixed lengths, a third of which go away at random.
@Suite("Engine under load")
struct EngineStressTests {
    /// `INFER_STRESS_REQUESTS=2000` makes it the large one.
    private static let requestCount =
        ProcessInfo.processInfo.environment["INFER_STRESS_REQUESTS"].flatMap(Int.init) ?? 60

    /// One request with the number of tokens after which its reader goes away.
    private struct Job: Sendable {
        var request: GenerationRequest
        var stopsAfter: Int?
    }

    private func jobs(_ count: Int, _ name: String) -> [Job] {
        var random = SplitMix64(name: name)
        func number(_ range: Range<Int>) -> Int { range.lowerBound + Int(random.next() % UInt64(range.count)) }
        // Prompts begin with one of few openings, as those of applications do.
        let openings = (0..<4).map { _ in (0..<number(10..<70)).map { _ in number(3..<380) } }
        return (0..<count).map { index in
            let own = (0..<number(1..<60)).map { _ in number(3..<380) }
            var request = GenerationRequest(
                promptTokens: openings[number(0..<4)] + own,
                sampling: SamplingParameters(temperature: index % 2 == 0 ? 0 : 1, seed: UInt64(index)),
                maxTokens: number(1..<40), ignoresEndOfSequence: true)
            request.count = number(0..<6) == 0 ? 3 : 1
            request.priority = number(0..<3)
            request.client = "\(number(0..<5))"
            request.logProbabilities = number(0..<5) == 0 ? 2 : nil
            request.promptLogProbabilities = number(0..<9) == 0 ? 1 : nil
            return Job(request: request, stopsAfter: number(0..<3) == 0 ? number(0..<20) : nil)
        }
    }

    /// The tokens of each sample, or `nil` where the reader went away before the end.
    private func run(_ job: Job, on engine: Engine) async throws -> [[Int]]? {
        var samples = Array(repeating: [Int](), count: job.request.count)
        var received = 0
        for try await update in try engine.generate(job.request) {
            if let limit = job.stopsAfter, received >= limit { return nil }
            received += 1
            samples[update.sample] += update.tokens
            if received % 7 == 0 { await Task.yield() }
        }
        return samples
    }

    /// Runs all jobs, so many at a time, and compares what completes with what each gives alone.
    private func drive(_ engine: Engine, _ jobs: [Job], inFlight: Int, expected: [[[Int]]]) async throws -> Int {
        try await withThrowingTaskGroup(of: (Int, [[Int]]?).self) { group in
            var next = 0
            var completed = 0
            func add() {
                guard next < jobs.count else { return }
                let (index, job) = (next, jobs[next])
                group.addTask { (index, try await run(job, on: engine)) }
                next += 1
            }
            for _ in 0..<inFlight { add() }
            for try await (index, samples) in group {
                add()
                guard let samples else { continue }
                completed += 1
                #expect(samples == expected[index], "request \(index)")
            }
            return completed
        }
    }

    @Test("answers equal those given alone, and nothing stays behind, in two engines at once")
    func load() async throws {
        let package = try ModelPackage(path: ReferenceMaterial.fixtures.appendingPathComponent("models/llama").path)
        let jobs = jobs(Self.requestCount, "stress")
        let alone = try await Engine(
            package, on: CPUBackend(threadCount: 1), options: EngineOptions(isDeterministic: true))
        var expected: [[[Int]]] = []
        for job in jobs {
            let solo = Job(request: job.request, stopsAfter: nil)
            expected.append(try await run(solo, on: alone) ?? [])
        }
        let answers = expected
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (sequences, tokens) in [(6, 700), (16, 1500)] {
                group.addTask {
                    let engine = try await Engine(
                        package, on: CPUBackend(threadCount: 1),
                        options: EngineOptions(
                            contextLength: 256, cacheTokenCount: tokens, passTokenCount: 64, sequenceCount: sequences,
                            streamCapacity: 8, isDeterministic: true))
                    let completed = try await drive(engine, jobs, inFlight: 32, expected: answers)
                    #expect(completed >= jobs.count / 2)
                    // A stream that was dropped is cancelled a moment later.
                    for _ in 0..<300
                    where engine.status.completedCount + engine.status.cancelledCount < jobs.count
                        || engine.status.usedBlockCount > 0
                    {
                        try await Task.sleep(for: .milliseconds(10))
                    }
                    await engine.shutdown()
                    let status = engine.status
                    #expect(status.usedBlockCount == 0 && status.runningCount == 0 && status.waitingCount == 0)
                    #expect(status.failedCount == 0)
                    #expect(status.completedCount + status.cancelledCount == jobs.count)
                    #expect(status.prefixCacheHitTokenCount > 0)
                }
            }
            try await group.waitForAll()
        }
    }
}
