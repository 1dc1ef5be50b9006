package import CommandSupport
package import Inference
import Models
internal import TensorCore

/// What matters where many use one engine: what running together gains, what a shared prompt saves, and whether answers
/// stall while prompts arrive.
package struct ServingSet: Sendable, Hashable {
    /// Answers at once, and their lengths.
    package let streamCount: Int
    package let streamTokenCount: Int
    /// The prompt that two requests share, and the prompts that arrive while answers are written.
    package let sharedTokenCount: Int
    package let arrivingTokenCount: Int

    package init(
        streamCount: Int = 16, streamTokenCount: Int = 128, sharedTokenCount: Int = 1000, arrivingTokenCount: Int = 2000
    ) {
        self.streamCount = streamCount
        self.streamTokenCount = streamTokenCount
        self.sharedTokenCount = sharedTokenCount
        self.arrivingTokenCount = arrivingTokenCount
    }

    package var contextLength: Int {
        max(sharedTokenCount, arrivingTokenCount, 16) + max(8 * streamTokenCount, 64)
    }

    package struct Result: Sendable, Hashable {
        /// Tokens a second of one answer alone, and of all together.
        package var singleRate = 0.0
        package var togetherRate = 0.0
        /// Seconds to the first token behind the shared prompt: the first time, and again.
        package var firstSeconds = 0.0
        package var secondSeconds = 0.0
        /// Seconds between tokens of running answers while prompts arrive.
        package var gaps = SampleStatistics([])
    }

    /// - Throws: `InferenceError`, `BackendError`.
    package func run(on engine: Engine) async throws -> Result {
        var random = SplitMix64(seed: 67)
        let vocabularySize = engine.description.vocabularySize
        func request(_ promptCount: Int, _ maxTokens: Int) -> GenerationRequest {
            GenerationRequest(
                promptTokens: random.tokens(promptCount, vocabularySize: vocabularySize).map(Int.init),
                maxTokens: maxTokens, ignoresEndOfSequence: true)
        }
        var result = Result()
        // What is loaded or compiled at first, and what the engine learns of its device.
        _ = try await engine.results(of: [request(64, 16), request(64, 16)])
        let single = try await engine.results(of: [request(16, streamTokenCount)])
        result.singleRate = rate(single)
        let streams = (0..<streamCount).map { _ in request(16, streamTokenCount) }
        result.togetherRate = rate(try await engine.results(of: streams))

        var shared = request(sharedTokenCount, 1)
        result.firstSeconds = try await engine.results(of: [shared])[0].timings.timeToFirstTokenSeconds
        shared.promptTokens += random.tokens(8, vocabularySize: vocabularySize).map(Int.init)
        result.secondSeconds = try await engine.results(of: [shared])[0].timings.timeToFirstTokenSeconds

        result.gaps = try await gaps(
            streams: (0..<4).map { _ in request(16, 8 * streamTokenCount) },
            prompts: (0..<3).map { _ in request(arrivingTokenCount, 1) }, on: engine)
        return result
    }

    /// Decoded tokens a second over all results, from the first token of the first to the last of the last.
    private func rate(_ results: [GenerationResult]) -> Double {
        let seconds = results.map(\.timings.totalSeconds).max() ?? 0
        let first = results.map(\.timings.timeToFirstTokenSeconds).max() ?? 0
        let tokens = results.reduce(0) { $0 + $1.tokenCount - 1 }
        return seconds > first ? Double(tokens) / (seconds - first) : 0
    }

    /// The seconds between tokens of `streams` while `prompts` come one after another, from the first one's arrival until
    /// the last one's answer.
    private func gaps(
        streams: [GenerationRequest], prompts: [GenerationRequest], on engine: Engine
    ) async throws -> SampleStatistics {
        try await withThrowingTaskGroup(of: [ContinuousClock.Instant].self) { group in
            for request in streams {
                let stream = try engine.generate(request)
                group.addTask {
                    var times: [ContinuousClock.Instant] = []
                    for try await update in stream where !update.tokens.isEmpty { times.append(.now) }
                    return times
                }
            }
            while engine.status.runningCount < streams.count { try await Task.sleep(for: .milliseconds(1)) }
            let begin = ContinuousClock.now
            for prompt in prompts { _ = try await engine.results(of: [prompt]) }
            let end = ContinuousClock.now
            var gaps: [Double] = []
            for try await times in group {
                let within = times.filter { $0 >= begin && $0 <= end }
                gaps += zip(within.dropFirst(), within).map { ($0 - $1).seconds }
            }
            return SampleStatistics(gaps)
        }
    }

    package func row(_ result: Result, _ description: RunDescription) -> TableRow {
        let p99 = result.gaps.percentile(99)
        var row = TableRow()
        row.add("suite", "serving")
        description.addFields(to: &row)
        row.add("streams", streamCount)
        row.add("single_tokens_per_s", result.singleRate)
        row.add("together_tokens_per_s", result.togetherRate)
        row.add("shared_prompt_tokens", sharedTokenCount)
        row.add("ttft_first_seconds", result.firstSeconds)
        row.add("ttft_second_seconds", result.secondSeconds)
        row.add("arriving_prompt_tokens", arrivingTokenCount)
        row.add("gap_count", result.gaps.count)
        row.add("gap_median_seconds", result.gaps.median)
        row.add("gap_p99_seconds", p99)
        row.show("model", description.title)
        row.show("backend", description.backend)
        row.show(number: "1 t/s", fixed(result.singleRate, digits: 1))
        row.show(number: "\(streamCount) t/s", fixed(result.togetherRate, digits: 1))
        row.show(number: "gain", fixed(result.togetherRate / max(result.singleRate, 1e-9), digits: 2))
        row.show(number: "first ms", fixed(1000 * result.firstSeconds, digits: 1))
        row.show(number: "again ms", fixed(1000 * result.secondSeconds, digits: 1))
        row.show(number: "gap ms", fixed(1000 * result.gaps.median, digits: 2))
        row.show(number: "gap p99 ms", fixed(1000 * p99, digits: 2))
        return row
    }
}
