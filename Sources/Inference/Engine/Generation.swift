/// One request to continue a prompt.
public struct GenerationRequest: Sendable {
    /// Token ids, special tokens included.
    public var promptTokens: [Int]
    public var sampling: SamplingParameters
    /// Most tokens to produce; `nil`: until the context is full.
    public var maxTokens: Int?
    /// Generation ends before the first of these strings would appear in the text.
    public var stopStrings: [String]
    /// Goes on past the model's end-of-sequence tokens.
    public var ignoresEndOfSequence: Bool

    public init(
        promptTokens: [Int], sampling: SamplingParameters = .greedy, maxTokens: Int? = nil, stopStrings: [String] = [],
        ignoresEndOfSequence: Bool = false
    ) {
        self.promptTokens = promptTokens
        self.sampling = sampling
        self.maxTokens = maxTokens
        self.stopStrings = stopStrings
        self.ignoresEndOfSequence = ignoresEndOfSequence
    }
}

/// Why generation ended, as the OpenAI API names it.
public enum FinishReason: String, Sendable, Hashable {
    /// An end-of-sequence token or a stop string.
    case stop
    /// `maxTokens`, or the context is full.
    case length
}

/// What arrives on the stream for each token, and once more at the end.
public struct GenerationUpdate: Sendable {
    /// The token that was produced; `nil` in a last update that only flushes text.
    public let token: Int?
    /// Text that became certain with this token; may be empty while a character or a stop string is incomplete.
    public let text: String
    /// Set in the last update.
    public let result: GenerationResult?
}

public struct GenerationResult: Sendable, Hashable {
    public let finishReason: FinishReason
    public let promptTokenCount: Int
    public let tokenCount: Int
    /// Prompt tokens whose keys and values were found in the prefix cache.
    public let cachedTokenCount: Int
    public let seed: UInt64
    public let timings: GenerationTimings
}

/// Seconds on the engine's clock.
public struct GenerationTimings: Sendable, Hashable {
    /// From the request's arrival to its first token.
    public var timeToFirstTokenSeconds: Double = 0
    /// From the first token to the last.
    public var decodeSeconds: Double = 0
    /// From the request's arrival to its end.
    public var totalSeconds: Double = 0

    /// Tokens a second; the first token belongs to the prompt.
    public func decodeTokensPerSecond(tokenCount: Int) -> Double {
        decodeSeconds > 0 && tokenCount > 1 ? Double(tokenCount - 1) / decodeSeconds : 0
    }

    public func promptTokensPerSecond(promptTokenCount: Int) -> Double {
        timeToFirstTokenSeconds > 0 ? Double(promptTokenCount) / timeToFirstTokenSeconds : 0
    }
}
