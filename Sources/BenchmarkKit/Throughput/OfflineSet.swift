package import CommandSupport
package import Inference
import Models
import TensorCore

/// Requests of mixed lengths that are all there at once: what a batch job is, run through the engine's scheduler.
package struct OfflineSet: Sendable, Hashable {
    package struct Lengths: Sendable, Hashable {
        package let prompt: Int
        package let output: Int
    }

    package let requests: [Lengths]

    /// Lengths drawn evenly from two ranges.
    package init(count: Int, prompts: ClosedRange<Int>, outputs: ClosedRange<Int>, seed: UInt64) {
        var random = SplitMix64(seed: seed)
        requests = (0..<count).map { _ in
            Lengths(
                prompt: Int.random(in: prompts, using: &random), output: Int.random(in: outputs, using: &random))
        }
    }

    package var promptTokenCount: Int { requests.reduce(0) { $0 + $1.prompt } }
    package var outputTokenCount: Int { requests.reduce(0) { $0 + $1.output } }
    package var longest: Int { requests.map { $0.prompt + $0.output }.max() ?? 1 }

    /// What a run of the set gave.
    package struct Result: Sendable, Hashable {
        package var seconds: Double
        /// Of each request.
        package var firstTokenSeconds: SampleStatistics
        package var outputTokenCount: Int
    }

    /// Hands all requests to the engine at once and waits for the last.
    /// - Throws: `InferenceError`, `BackendError`.
    package func run(on engine: Engine) async throws -> Result {
        var random = SplitMix64(seed: 61)
        let vocabularySize = engine.description.vocabularySize
        let prepared = requests.map { lengths in
            GenerationRequest(
                promptTokens: random.tokens(lengths.prompt, vocabularySize: vocabularySize).map(Int.init),
                maxTokens: lengths.output, ignoresEndOfSequence: true)
        }
        let start = ContinuousClock.now
        let results = try await engine.results(of: prepared)
        return Result(
            seconds: (ContinuousClock.now - start).seconds,
            firstTokenSeconds: SampleStatistics(results.map(\.timings.timeToFirstTokenSeconds)),
            outputTokenCount: results.reduce(0) { $0 + $1.tokenCount })
    }

    package func row(_ result: Result, _ description: RunDescription, sequenceCount: Int) -> TableRow {
        let total = Double(promptTokenCount + result.outputTokenCount)
        var row = TableRow()
        row.add("suite", "offline")
        description.addFields(to: &row)
        row.add("n_requests", requests.count)
        row.add("max_sequences", sequenceCount)
        row.add("input_tokens", promptTokenCount)
        row.add("output_tokens", result.outputTokenCount)
        row.add("seconds", result.seconds)
        row.add("requests_per_s", Double(requests.count) / result.seconds)
        row.add("output_tokens_per_s", Double(result.outputTokenCount) / result.seconds)
        row.add("total_tokens_per_s", total / result.seconds)
        row.add("ttft_median_seconds", result.firstTokenSeconds.median)
        row.show("model", description.title)
        row.show("backend", description.backend)
        row.show(number: "requests", "\(requests.count)")
        row.show(number: "at once", "\(sequenceCount)")
        row.show(number: "in", "\(promptTokenCount)")
        row.show(number: "out", "\(result.outputTokenCount)")
        row.show(number: "s", fixed(result.seconds, digits: 2))
        row.show(number: "requests/s", fixed(Double(requests.count) / result.seconds, digits: 2))
        row.show(number: "out t/s", fixed(Double(result.outputTokenCount) / result.seconds, digits: 1))
        row.show(number: "all t/s", fixed(total / result.seconds, digits: 1))
        return row
    }
}
