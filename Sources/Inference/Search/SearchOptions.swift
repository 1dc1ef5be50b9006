internal import Foundation
public import ModelIO

/// How target texts are searched. `nil` means: as the model's files say, and otherwise the default of `transformers`.
public struct SearchOptions: Sendable {
    /// The number of beams; 1 takes the best token each time.
    public var beamCount: Int?
    /// The length penalty: the exponent of the length by which a text's log-probability is divided. Above 0 it favours
    /// longer texts.
    public var lengthPenalty: Double?
    /// When a search ends that has as many complete texts as beams.
    public var earlyStopping: SearchConfiguration.EarlyStopping?
    /// No sequence of so many tokens occurs twice; 0: no limit.
    public var noRepeatNgramSize: Int?
    /// What log-probabilities of tokens that occurred are multiplied by (with one beam their logits, which are divided
    /// by it above 0); 1: nothing. What a decoder continues counts, what an encoder reads does not.
    public var repetitionPenalty: Double?
    /// The fewest tokens of a text.
    public var minimumNewTokens: Int?
    /// The most tokens of a text, with the one that ends it.
    public var maximumNewTokens: Int?
    /// The number of texts returned, at most as many as beams.
    public var resultCount = 1
    /// The first token.
    public var forcedFirstToken: Int?

    public init() {}
}

/// The options of a search with everything that the model's files add.
struct SearchRules: Sendable {
    var beamCount: Int
    var lengthPenalty: Double
    var earlyStopping: SearchConfiguration.EarlyStopping
    var noRepeatNgramSize: Int
    var sourceNoRepeatNgramSize: Int
    var repetitionPenalty: Double
    /// Tokens that texts begin with: the one of an encoder-decoder, the prompt of a decoder.
    var promptCount: Int
    var minimumNewTokens: Int
    /// Tokens with those that texts begin with.
    var minimumLength: Int
    var maximumLength: Int
    var resultCount: Int
    var forcedFirstToken: Int?
    var forcedLastTokens: [Int]
    var suppressed: Set<Int>
    var suppressedAtBeginning: Set<Int>
    var badWords: [[Int]]
    var sequenceBiases: [[Int]: Double]
    var sourceRepetitionPenalty: Double
    var lengthDecay: SearchConfiguration.LengthDecay?
    var renormalizesLogits: Bool
    var endTokens: Set<Int>

    /// The most new tokens where nothing gives a number.
    private static let usualTokenCount = 256

    /// - Parameter limit: new tokens of the longest text that the model takes; `nil`: any number.
    /// - Throws: `InferenceError.invalidParameter`.
    init(
        _ options: SearchOptions, _ generation: GenerationConfiguration, endTokens: Set<Int>, vocabularySize: Int,
        limit: Int?, promptCount: Int = 1
    ) throws {
        let search = generation.search
        beamCount = options.beamCount ?? search.beamCount ?? 1
        lengthPenalty = options.lengthPenalty ?? search.lengthPenalty ?? 1
        earlyStopping = options.earlyStopping ?? search.earlyStopping ?? .heuristic
        noRepeatNgramSize = options.noRepeatNgramSize ?? search.noRepeatNgramSize ?? 0
        sourceNoRepeatNgramSize = search.sourceNoRepeatNgramSize ?? 0
        repetitionPenalty = options.repetitionPenalty ?? generation.repetitionPenalty ?? 1
        guard repetitionPenalty > 0, repetitionPenalty.isFinite else {
            throw InferenceError.invalidParameter(
                name: "repetition-penalty", value: "\(repetitionPenalty)", expected: "a number over 0")
        }
        minimumNewTokens = options.minimumNewTokens ?? search.minimumNewTokens ?? 0
        minimumLength = search.minimumLength ?? 0
        let usual =
            generation.maximumNewTokens ?? generation.maximumLength.map { $0 - promptCount }
            ?? SearchRules.usualTokenCount
        let wanted = options.maximumNewTokens ?? max(min(usual, limit ?? usual), 1)
        guard wanted <= limit ?? wanted else {
            throw InferenceError.invalidParameter(
                name: "--max-tokens", value: "\(wanted)", expected: "at most the \(limit ?? 0) that the model takes")
        }
        self.promptCount = promptCount
        maximumLength = promptCount + wanted
        resultCount = options.resultCount
        guard resultCount <= beamCount else {
            throw InferenceError.invalidParameter(
                name: "--count", value: "\(resultCount)", expected: "at most the \(beamCount) of --beams")
        }
        // What the model's files ask for gives way: such a text does not end before its greatest length.
        if let asked = options.minimumNewTokens, asked > wanted {
            throw InferenceError.invalidParameter(
                name: "--min-tokens", value: "\(asked)", expected: "at most the \(wanted) of --max-tokens")
        }
        forcedFirstToken = options.forcedFirstToken ?? search.forcedBOSTokenID
        forcedLastTokens = search.forcedEOSTokenIDs
        suppressed = Set(search.suppressedTokenIDs)
        suppressedAtBeginning = Set(search.beginSuppressedTokenIDs)
        badWords = search.badWords.filter { !($0.count == 1 && endTokens.contains($0[0])) }
        sequenceBiases = search.sequenceBiases
        if let token = sequenceBiases.keys.joined().first(where: { $0 >= vocabularySize }) {
            throw InferenceError.invalidParameter(
                name: "sequence_bias", value: "\(token)", expected: "ids below \(vocabularySize)")
        }
        sourceRepetitionPenalty = search.sourceRepetitionPenalty ?? 1
        lengthDecay = search.lengthDecay
        renormalizesLogits = search.renormalizesLogits
        self.endTokens = endTokens
    }

    // MARK: What may come next

    /// Whether any text is kept from some token, or scores of tokens change other than by the penalty of repetitions.
    var hasRules: Bool {
        !sequenceBiases.isEmpty || sourceRepetitionPenalty != 1 || lengthDecay != nil || sourceNoRepeatNgramSize > 0
            || noRepeatNgramSize > 0 || minimumNewTokens > 0 || minimumLength > 0 || forcedFirstToken != nil
            || !forcedLastTokens.isEmpty || !suppressed.isEmpty || !suppressedAtBeginning.isEmpty || !badWords.isEmpty
    }

    /// The only tokens that may follow, or `nil` where there are none such.
    func forced(after tokens: [Int]) -> [Int]? {
        if tokens.count == maximumLength - 1, !forcedLastTokens.isEmpty { return forcedLastTokens }
        if tokens.count == 1, let forcedFirstToken { return [forcedFirstToken] }
        return nil
    }

    /// Tokens that may not follow.
    /// - Parameter source: what an encoder read.
    func banned(after tokens: [Int], source: [Int]) -> Set<Int> {
        var banned = suppressed
        if tokens.count < minimumLength || tokens.count - promptCount < minimumNewTokens { banned.formUnion(endTokens) }
        let isForced = promptCount == 1 && forcedFirstToken != nil
        if tokens.count == promptCount + (isForced ? 1 : 0) { banned.formUnion(suppressedAtBeginning) }
        for word in badWords where tokens.count >= word.count - 1 {
            if tokens.suffix(word.count - 1).elementsEqual(word.dropLast()), let last = word.last {
                banned.insert(last)
            }
        }
        for (text, size) in [(tokens, noRepeatNgramSize), (source, sourceNoRepeatNgramSize)]
        where size > 0 && tokens.count + 1 >= size {
            let start = tokens.suffix(size - 1)
            for index in 0..<max(text.count - size + 1, 0)
            where text[index..<index + size - 1].elementsEqual(start) { banned.insert(text[index + size - 1]) }
        }
        return banned
    }

    /// What the rules do to the token after some.
    /// - Parameter source: the different tokens of `source`.
    func step(after tokens: [Int], source: [Int], sourceTokens: Set<Int>) -> StepRules {
        var step = StepRules(
            banned: banned(after: tokens, source: source), sourceTokens: sourceTokens,
            sourcePenalty: sourceRepetitionPenalty, repeatedTokens: repetitionPenalty == 1 ? [] : Set(tokens),
            repetitionPenalty: repetitionPenalty, endTokens: endTokens)
        for (sequence, bias) in sequenceBiases {
            guard let last = sequence.last, tokens.suffix(sequence.count - 1).elementsEqual(sequence.dropLast()) else {
                continue
            }
            step.biases[last, default: 0] += bias
        }
        if let lengthDecay, tokens.count - promptCount > lengthDecay.start {
            let growth = pow(lengthDecay.factor, Double(tokens.count - promptCount - lengthDecay.start)) - 1
            step.endGrowth = growth.isFinite ? growth : .greatestFiniteMagnitude
        }
        return step
    }
}
