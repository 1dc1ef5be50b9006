import CommandSupport
package import Inference
package import TensorCore

/// What a prompt and each further token cost, exactly: launches, synchronises, allocations, bytes, compilations.
package struct CountsMeasurement: Sendable, Hashable {
    /// The names of the counts, in order.
    package static let names = [
        "launches", "synchronizations", "allocations", "bytes_written", "bytes_read", "builds",
    ]

    /// Tokens of the measured prompt.
    package static let promptTokenCount = 8
    /// Tokens that a model must have: the prompts are of those from 20 to 87.
    static let leastVocabularySize = 80 + promptTokenCount

    /// Of a prompt with its first token, and of each further token, in the order of ``names``.
    package let prompt: [Int]
    package let token: [Int]
    /// Whether every further token cost the same.
    package let isUniform: Bool

    /// Runs four short requests, the first of which compiles what must be compiled.
    package init(_ model: ModelPackage, on backend: any Backend) async throws {
        let engine = try await Engine(model, on: backend)
        func run(from first: Int, _ count: Int) async throws -> [Int] {
            let before = CountsMeasurement.values(backend.counters)
            // Prompts differ, so that no prefix is shared.
            let request = GenerationRequest(
                promptTokens: Array(first..<first + CountsMeasurement.promptTokenCount), maxTokens: count,
                ignoresEndOfSequence: true)
            for try await _ in try engine.generate(request) {}
            return zip(CountsMeasurement.values(backend.counters), before).map { $0 - $1 }
        }
        _ = try await run(from: 20, 3)
        prompt = try await run(from: 40, 1)
        let few = try await run(from: 60, 3)
        let many = try await run(from: 80, 7)
        token = zip(many, few).map { ($0 - $1) / 4 }
        isUniform = zip(many, few).allSatisfy { ($0 - $1) % 4 == 0 }
    }

    private static func values(_ counters: BackendCounters) -> [Int] {
        [
            counters.launches, counters.synchronizations, counters.allocations, counters.bytesWritten,
            counters.bytesRead, counters.programBuilds,
        ]
    }

    /// The two lines that the baseline has of it.
    /// - Parameter device: `cpu` or `opencl`: all devices of a kind cost the same.
    package func entries(model: String, device: String) -> [CountsBaseline.Entry] {
        [
            CountsBaseline.Entry(
                key: "\(model), \(device), prompt of \(CountsMeasurement.promptTokenCount)", counts: prompt),
            CountsBaseline.Entry(key: "\(model), \(device), token", counts: token),
        ]
    }
}
