internal import Inference
internal import JSONCore

/// Fields that chat and text completions share.
struct CompletionFields {
    let requestedModel: String?
    let isStream: Bool
    let includesUsage: Bool
    /// Whether every chunk carries `usage`.
    let repeatsUsage: Bool
    let choiceCount: Int
    let priority: Int
    let cacheSalt: String?
    let hasTimingsPerToken: Bool
    let returnsTokenIDs: Bool
    /// The build that answers.
    let fingerprint: String

    init(_ fields: RequestFields, version: String) throws(APIError) {
        fingerprint = "build-" + version
        requestedModel = try fields.string("model")
        isStream = try fields.bool("stream") ?? false
        let options = try fields.object("stream_options")
        if options != nil, !isStream {
            throw .invalid("stream_options", "stream_options is only allowed when stream is true")
        }
        includesUsage = try options?.bool("include_usage") ?? false
        repeatsUsage = try options?.bool("continuous_usage_stats") ?? false
        choiceCount = try fields.int("n", in: 1...128) ?? 1
        priority = try fields.int("priority", in: -1_000_000...1_000_000) ?? 0
        cacheSalt = try fields.string("cache_salt")
        if let cacheSalt, cacheSalt.isEmpty { throw .invalid("cache_salt", "cache_salt must not be empty") }
        hasTimingsPerToken = try fields.bool("timings_per_token") ?? false
        returnsTokenIDs = try fields.bool("return_token_ids") ?? false
        try CompletionFields.refuseUnserved(fields)
    }

    /// Fields for work that this version does not do are refused, never ignored.
    private static func refuseUnserved(_ fields: RequestFields) throws(APIError) {
        try fields.refuse(
            ["functions", "function_call"], because: "they were replaced by tools and tool_choice; use those")
        try fields.refuse(["audio"], because: "this version writes text only; leave it out")
        if let modality = try fields.strings("modalities", atMost: 16)?.first(where: { $0 != "text" }) {
            throw .unsupported("modalities", "this version writes text only, no '\(modality)'; leave it out")
        }
        try fields.refuse(["web_search_options"], because: "this version searches no web; see the search tool")
        for key in ["use_beam_search", "include_stop_str_in_output"] where try fields.bool(key) ?? false {
            throw .unsupported(key, "this version does not do it; leave it out")
        }
        for key in ["bad_words", "allowed_token_ids"] where try !(fields.array(key) ?? []).isEmpty {
            throw .unsupported(key, "this version does not do it; use logit_bias")
        }
    }
}

/// The `usage` and `timings` of an answer.
struct UsageCount: Sendable {
    var promptTokens = 0
    var completionTokens = 0
    var cachedTokens = 0

    var json: JSON {
        [
            "prompt_tokens": .int(promptTokens), "completion_tokens": .int(completionTokens),
            "total_tokens": .int(promptTokens + completionTokens),
            "prompt_tokens_details": ["cached_tokens": .int(cachedTokens)],
        ]
    }
}

extension GenerationResult {
    /// Times in the form of llama.cpp's server.
    var timingsJSON: JSON {
        let computed = promptTokenCount - cachedTokenCount
        let promptMilliseconds = timings.timeToFirstTokenSeconds * 1000
        let decodeMilliseconds = timings.decodeSeconds * 1000
        func rate(_ count: Int, _ milliseconds: Double) -> JSON {
            milliseconds > 0 ? .double(Double(count) / milliseconds * 1000) : 0
        }
        return [
            "cache_n": .int(cachedTokenCount), "prompt_n": .int(computed), "prompt_ms": .double(promptMilliseconds),
            "prompt_per_token_ms": .double(promptMilliseconds / Double(max(computed, 1))),
            "prompt_per_second": rate(computed, promptMilliseconds), "predicted_n": .int(tokenCount),
            "predicted_ms": .double(decodeMilliseconds),
            "predicted_per_token_ms": .double(decodeMilliseconds / Double(max(tokenCount - 1, 1))),
            "predicted_per_second": rate(tokenCount - 1, decodeMilliseconds),
        ]
    }
}

/// What one choice of an answer consists of so far.
struct ChoiceText: Sendable {
    var text = ""
    var tokens: [Int] = []
    var logprobs: [TokenLogProbability] = []
    var promptLogprobs: [TokenLogProbability] = []
    var result: GenerationResult?

    mutating func take(_ update: GenerationUpdate) {
        text += update.text
        tokens += update.tokens
        logprobs += update.logProbabilities
        promptLogprobs += update.promptLogProbabilities
        result = update.result ?? result
    }

    static func collect(_ job: RunningJob) async throws -> [ChoiceText] {
        var choices = [ChoiceText](repeating: ChoiceText(), count: job.totalChoiceCount)
        try await job.forEach { choices[$0.choice].take($0.update) }
        return choices
    }
}

extension [ChoiceText] {
    /// Each prompt is counted once, however many choices continue it.
    func usage(promptTokenCounts: [Int]) -> UsageCount {
        var usage = UsageCount()
        usage.promptTokens = promptTokenCounts.reduce(0, +)
        for choice in self { usage.completionTokens += choice.result?.tokenCount ?? choice.tokens.count }
        let perPrompt = Swift.max(count / Swift.max(promptTokenCounts.count, 1), 1)
        for index in indices where index % perPrompt == 0 {
            usage.cachedTokens += self[index].result?.cachedTokenCount ?? 0
        }
        return usage
    }
}
