internal import Inference
internal import JSONCore

/// The usage and times so far, for clients that ask for them with every chunk.
struct StreamProgress {
    private let shared: CompletionFields
    private let promptTokenCounts: [Int]
    private let start = ContinuousClock.now
    private var firstToken: ContinuousClock.Instant?

    init(_ shared: CompletionFields, _ job: GenerationJob) {
        self.shared = shared
        promptTokenCounts = job.prompts.map(\.count)
    }

    mutating func take(_ update: GenerationUpdate) {
        if firstToken == nil, !update.tokens.isEmpty { firstToken = .now }
    }

    /// A chunk with the members that the request asks of every one.
    func adding(to chunk: JSON, _ choices: [ChoiceText]) -> JSON {
        var chunk = chunk
        if shared.hasTimingsPerToken {
            chunk["timings"] = timings(tokenCount: choices.reduce(0) { $0 + $1.tokens.count })
        }
        if shared.includesUsage, shared.repeatsUsage {
            chunk["usage"] = choices.usage(promptTokenCounts: promptTokenCounts).json
        }
        return chunk
    }

    /// Times in the form of llama.cpp's server. How much of the prompt came from the cache is only known at the end.
    private func timings(tokenCount: Int) -> JSON {
        let now = ContinuousClock.now
        let promptCount = promptTokenCounts.reduce(0, +)
        let promptMilliseconds = start.duration(to: firstToken ?? now).shortSeconds * 1000
        let decodeMilliseconds = (firstToken ?? now).duration(to: now).shortSeconds * 1000
        return [
            "prompt_n": .int(promptCount), "prompt_ms": .double(promptMilliseconds),
            "prompt_per_second": .double(Double(promptCount) * 1000 / max(promptMilliseconds, 1e-3)),
            "predicted_n": .int(tokenCount), "predicted_ms": .double(decodeMilliseconds),
            "predicted_per_second": .double(Double(max(tokenCount - 1, 0)) * 1000 / max(decodeMilliseconds, 1e-3)),
        ]
    }
}
