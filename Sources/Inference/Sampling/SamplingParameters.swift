/// How the next token is chosen from the logits.
///
/// Applied in this order: logit bias, repetition, presence and frequency penalties, temperature, top-H, top-k, top-p,
/// min-p, typical-p, epsilon, eta, then one draw: the order of `transformers`. Temperature 0 takes the most likely token
/// after bias and penalties.
public struct SamplingParameters: Sendable, Hashable {
    /// Divides the logits; 0 is greedy.
    public var temperature: Float
    /// Keeps the `topK` most likely tokens; `nil`, 0 and -1 keep all.
    public var topK: Int?
    /// Keeps the fewest most likely tokens whose probabilities reach `topP` (Holtzman et al., 2020), at least one; 1
    /// keeps all.
    public var topP: Float
    /// Keeps tokens with at least `minP` times the largest probability (Nguyen et al., 2024); 0 keeps all.
    public var minP: Float
    /// Keeps the most likely of the 100 best tokens whose parts of the entropy stay within `topH` times the whole of it
    /// (Potraghloo et al., 2025); `nil` keeps all.
    public var topH: Float?
    /// Keeps the fewest tokens whose probabilities reach `typicalP`, those first whose surprise is nearest to the
    /// entropy (Meister et al., 2022); 1 keeps all.
    public var typicalP: Float
    /// Keeps tokens of at least this probability, and the best (Hewitt et al., 2022); 0 and 1 keep all.
    public var epsilonCutoff: Float
    /// Keeps tokens of at least this probability, or of its root times the exponential of the negative entropy where
    /// that is less, and the best (Hewitt et al., 2022); 0 and 1 keep all.
    public var etaCutoff: Float
    /// Divides positive and multiplies negative logits of tokens in prompt or output (Keskar et al., 2019); 1 is off.
    public var repetitionPenalty: Float
    /// Subtracted from the logits of tokens that occur in the output.
    public var presencePenalty: Float
    /// Subtracted, once an occurrence, from the logits of tokens in the output.
    public var frequencyPenalty: Float
    /// Added to the logits of single tokens.
    public var logitBias: [Int: Float]
    /// The same seed draws the same text, on every device with `EngineOptions.precision` `.highest`; `nil` takes a
    /// random one.
    public var seed: UInt64?

    public init(
        temperature: Float = 0, topK: Int? = nil, topP: Float = 1, minP: Float = 0, repetitionPenalty: Float = 1,
        presencePenalty: Float = 0, frequencyPenalty: Float = 0, logitBias: [Int: Float] = [:], seed: UInt64? = nil,
        topH: Float? = nil, typicalP: Float = 1, epsilonCutoff: Float = 0, etaCutoff: Float = 0
    ) {
        self.temperature = temperature
        self.topK = topK.flatMap { $0 == 0 || $0 == -1 ? nil : $0 }
        self.topP = topP
        self.minP = minP
        self.repetitionPenalty = repetitionPenalty
        self.presencePenalty = presencePenalty
        self.frequencyPenalty = frequencyPenalty
        self.logitBias = logitBias
        self.seed = seed
        self.topH = topH
        self.typicalP = typicalP
        self.epsilonCutoff = epsilonCutoff
        self.etaCutoff = etaCutoff
    }

    /// The most likely token each time.
    public static var greedy: SamplingParameters { SamplingParameters() }

    /// - Throws: `InferenceError.invalidParameter` naming the first value out of its range.
    public func validate(vocabularySize: Int) throws {
        func check(_ holds: Bool, _ name: String, _ value: any CustomStringConvertible, _ expected: String) throws {
            guard holds else {
                throw InferenceError.invalidParameter(name: name, value: value.description, expected: expected)
            }
        }
        try check(temperature >= 0 && temperature.isFinite, "temperature", temperature, "a number from 0")
        try check((topK ?? 1) >= 1, "top-k", topK ?? 0, "an integer from 1, or none to keep all tokens")
        try check(topP >= 0 && topP <= 1, "top-p", topP, "a number from 0 to 1")
        try check(minP >= 0 && minP <= 1, "min-p", minP, "a number from 0 to 1")
        try check((topH ?? 1) > 0 && (topH ?? 1) <= 1, "top-h", topH ?? 0, "a number over 0 and up to 1")
        try check(typicalP > 0 && typicalP <= 1, "typical-p", typicalP, "a number over 0 and up to 1")
        try check(epsilonCutoff >= 0 && epsilonCutoff <= 1, "epsilon-cutoff", epsilonCutoff, "a number from 0 to 1")
        try check(etaCutoff >= 0 && etaCutoff <= 1, "eta-cutoff", etaCutoff, "a number from 0 to 1")
        try check(
            repetitionPenalty > 0 && repetitionPenalty.isFinite, "repetition-penalty", repetitionPenalty,
            "a number over 0")
        try check(abs(presencePenalty) <= 100, "presence-penalty", presencePenalty, "a number from -100 to 100")
        try check(abs(frequencyPenalty) <= 100, "frequency-penalty", frequencyPenalty, "a number from -100 to 100")
        for (token, bias) in logitBias {
            try check((0..<vocabularySize).contains(token), "logit-bias token", token, "an id below \(vocabularySize)")
            try check(!bias.isNaN, "logit-bias", bias, "a number")
        }
    }

    /// Whether a least probability leaves anything out.
    static func cuts(_ probability: Float) -> Bool { probability > 0 && probability < 1 }

    var changesLogits: Bool {
        !logitBias.isEmpty || repetitionPenalty != 1 || presencePenalty != 0 || frequencyPenalty != 0
    }
}
