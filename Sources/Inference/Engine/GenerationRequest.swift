/// One request to continue a prompt.
public struct GenerationRequest: Sendable, Hashable {
    /// Token ids, special tokens included. An encoder-decoder reads them with its encoder, and writes a text of its own.
    public var promptTokens: [Int]
    /// How tokens are chosen.
    public var sampling: SamplingParameters
    /// Most tokens to produce for each sample; `nil`: until the context is full. 0 only where the log-probabilities of the
    /// prompt are all that is wanted.
    public var maxTokens: Int?
    /// Generation ends before the first of these strings would appear in the text, or of those that the model's
    /// `generation_config.json` names.
    public var stopStrings: [String]
    /// Generation ends with the first of these tokens, which is the last one of the answer and has no text.
    public var stopTokens: Set<Int>
    /// Goes on past the model's own end-of-sequence tokens and stop strings.
    public var ignoresEndOfSequence: Bool
    /// How many continuations to produce. They share the blocks of the prompt; sample `i` draws with the seed plus `i`.
    public var count: Int
    /// How many of the most likely tokens to report beside each produced one; 0: the produced one alone; `nil`: none.
    public var logProbabilities: Int?
    /// The same for the tokens of the prompt. The prompt is then computed without the prefix cache.
    public var promptLogProbabilities: Int?
    /// Requests with lower values are served first, and may take the place of running ones with higher values.
    public var priority: Int
    /// The client that asks. Clients of one priority get equal shares of the engine, however many requests each has.
    public var client: String?
    /// Only requests with the same salt share blocks of the prefix cache, so that none can find out by the time an answer
    /// takes what others have asked.
    public var cacheSalt: String?
    /// The adapter of `ModelPackage.offering` that the request is answered with; `nil`: the model by itself.
    public var adapter: String?
    /// The form of the text; `nil`: any. Tokens are drawn among those that the form allows.
    public var constraint: OutputConstraint?
    /// The first token that an encoder-decoder writes, in place of the one that its files force: the language of the text.
    public var forcedFirstToken: Int?

    public init(
        promptTokens: [Int], sampling: SamplingParameters = .greedy, maxTokens: Int? = nil, stopStrings: [String] = [],
        stopTokens: Set<Int> = [], ignoresEndOfSequence: Bool = false, count: Int = 1, logProbabilities: Int? = nil,
        promptLogProbabilities: Int? = nil, priority: Int = 0, client: String? = nil, cacheSalt: String? = nil,
        adapter: String? = nil, constraint: OutputConstraint? = nil, forcedFirstToken: Int? = nil
    ) {
        self.promptTokens = promptTokens
        self.sampling = sampling
        self.maxTokens = maxTokens
        self.stopStrings = stopStrings
        self.stopTokens = stopTokens
        self.ignoresEndOfSequence = ignoresEndOfSequence
        self.count = count
        self.logProbabilities = logProbabilities
        self.promptLogProbabilities = promptLogProbabilities
        self.priority = priority
        self.client = client
        self.cacheSalt = cacheSalt
        self.adapter = adapter
        self.constraint = constraint
        self.forcedFirstToken = forcedFirstToken
    }

    /// The most samples of a request.
    public static let maximumCount = 128
    /// The most alternatives that are reported beside a token.
    public static let maximumLogProbabilities = 128

    /// - Throws: `InferenceError` naming the value that is out of range.
    /// - Parameter readsPrompt: whether the model has an encoder, for which the prompt takes no room of the text's.
    func validate(vocabularySize: Int, contextLength: Int, readsPrompt: Bool = false) throws {
        func check(_ name: String, _ value: Int?, _ range: ClosedRange<Int>) throws {
            guard let value, !range.contains(value) else { return }
            throw InferenceError.invalidParameter(
                name: name, value: "\(value)", expected: "an integer from \(range.lowerBound) to \(range.upperBound)")
        }
        guard !promptTokens.isEmpty else { throw InferenceError.emptyPrompt }
        let writesNothing = maxTokens == 0 && promptLogProbabilities != nil
        if readsPrompt, promptLogProbabilities != nil {
            throw InferenceError.invalidParameter(
                name: "log-probabilities of the prompt", value: "asked for",
                expected: "none: the model's encoder reads the prompt, and predicts none of its tokens")
        }
        guard promptTokens.count < contextLength + (writesNothing || readsPrompt ? 1 : 0) else {
            throw InferenceError.contextLengthExceeded(
                promptTokenCount: promptTokens.count, contextLength: contextLength)
        }
        for id in promptTokens where !(0..<vocabularySize).contains(id) {
            throw InferenceError.tokenOutOfRange(id: id, vocabularySize: vocabularySize)
        }
        if let forcedFirstToken {
            guard readsPrompt else {
                throw InferenceError.invalidParameter(
                    name: "forced first token", value: "\(forcedFirstToken)",
                    expected: "none: the model continues its prompt")
            }
            guard (0..<vocabularySize).contains(forcedFirstToken) else {
                throw InferenceError.tokenOutOfRange(id: forcedFirstToken, vocabularySize: vocabularySize)
            }
        }
        if let maxTokens, maxTokens < 1, !writesNothing {
            throw InferenceError.invalidParameter(
                name: "max-tokens", value: "\(maxTokens)", expected: "an integer from 1")
        }
        try check("number of samples", count, 1...GenerationRequest.maximumCount)
        try check("log-probabilities", logProbabilities, 0...GenerationRequest.maximumLogProbabilities)
        try check(
            "log-probabilities of the prompt", promptLogProbabilities, 0...GenerationRequest.maximumLogProbabilities)
        try sampling.validate(vocabularySize: vocabularySize)
    }
}
