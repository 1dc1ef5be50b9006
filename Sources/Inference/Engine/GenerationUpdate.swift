/// What arrives on the stream for each token of each sample, and once more at its end where text is left to flush.
public struct GenerationUpdate: Sendable, Hashable {
    /// Which of the request's samples this continues, from 0.
    public let sample: Int
    /// The tokens that were produced; empty in an update that only flushes text or brings what belongs to the prompt.
    public let tokens: [Int]
    /// Text that became certain with these tokens; may be empty while a character or a stop string is incomplete.
    public let text: String
    /// One entry for each of `tokens`, where the request asks for them.
    public let logProbabilities: [TokenLogProbability]
    /// Entries for further tokens of the prompt, in order. The first token has none, since nothing predicts it.
    public let promptLogProbabilities: [TokenLogProbability]
    /// Set in the sample's last update.
    public let result: GenerationResult?
}

/// How likely the model found a token: the natural logarithm of its probability under the plain softmax of the logits,
/// before bias, penalties, temperature and whatever else sampling applies.
public struct TokenLogProbability: Sendable, Hashable {
    /// The token's id.
    public let token: Int
    /// The natural logarithm of its probability.
    public let logProbability: Double
    /// The bytes that the token stands for, which may be a part of a character; empty for control tokens.
    public let bytes: [UInt8]
    /// The most likely tokens, best first, without alternatives of their own.
    public let alternatives: [TokenLogProbability]

    public init(token: Int, logProbability: Double, bytes: [UInt8], alternatives: [TokenLogProbability] = []) {
        self.token = token
        self.logProbability = logProbability
        self.bytes = bytes
        self.alternatives = alternatives
    }
}

/// Why generation ended, as the OpenAI API names it where it has a name for it.
public enum FinishReason: String, Sendable, Hashable {
    /// An end-of-sequence token, a stop token or a stop string.
    case stop
    /// `maxTokens`, or the context is full.
    case length
    /// The engine was shut down before the answer was complete.
    case cancelled
}

/// What ended a generation whose `FinishReason` is `stop`.
public enum StopCause: Sendable, Hashable {
    /// One of the model's own end-of-sequence tokens.
    case endOfSequence(token: Int)
    /// One of the request's stop tokens.
    case token(Int)
    /// One of the request's stop strings.
    case string(String)
}

/// How one sample ended, with its counts and times.
public struct GenerationResult: Sendable, Hashable {
    /// Why the sample ended.
    public let finishReason: FinishReason
    /// Set where `finishReason` is `stop`.
    public let stopCause: StopCause?
    /// Tokens of the request's prompt.
    public let promptTokenCount: Int
    /// Tokens that were produced.
    public let tokenCount: Int
    /// Prompt tokens whose keys and values were found in the prefix cache.
    public let cachedTokenCount: Int
    /// The seed that draws this sample again as the only one of a request.
    public let seed: UInt64
    /// Seconds of the parts of the request.
    public let timings: GenerationTimings
}

/// Seconds on the engine's clock.
public struct GenerationTimings: Sendable, Hashable {
    /// From the request's arrival to the first pass that computes some of it.
    public var queueSeconds: Double = 0
    /// From the request's arrival to its first token.
    public var timeToFirstTokenSeconds: Double = 0
    /// From the first token to the last.
    public var decodeSeconds: Double = 0
    /// From the request's arrival to its end.
    public var totalSeconds: Double = 0

    public init() {}

    /// Tokens a second; the first token belongs to the prompt.
    public func decodeTokensPerSecond(tokenCount: Int) -> Double {
        decodeSeconds > 0 && tokenCount > 1 ? Double(tokenCount - 1) / decodeSeconds : 0
    }

    public func promptTokensPerSecond(promptTokenCount: Int) -> Double {
        timeToFirstTokenSeconds > 0 ? Double(promptTokenCount) / timeToFirstTokenSeconds : 0
    }
}

extension Duration {
    /// Seconds as a floating-point number.
    package var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
