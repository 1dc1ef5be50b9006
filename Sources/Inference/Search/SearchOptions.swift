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
    var endTokens: Set<Int>

    /// The most new tokens where nothing gives a number.
    private static let usualTokenCount = 256

    /// - Parameter limit: new tokens of the longest text that the model takes; `nil`: any number.
    /// - Throws: `InferenceError.invalidParameter`.
    init(
        _ options: SearchOptions, _ generation: GenerationConfiguration, endTokens: Set<Int>, limit: Int?,
        promptCount: Int = 1
    ) throws {
        let search = generation.search
        beamCount = options.beamCount ?? search.beamCount ?? 1
        lengthPenalty = options.lengthPenalty ?? search.lengthPenalty ?? 1
        earlyStopping = options.earlyStopping ?? search.earlyStopping ?? .heuristic
        noRepeatNgramSize = options.noRepeatNgramSize ?? search.noRepeatNgramSize ?? 0
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
        guard minimumNewTokens <= wanted else {
            throw InferenceError.invalidParameter(
                name: "--min-tokens", value: "\(minimumNewTokens)", expected: "at most the \(wanted) of --max-tokens")
        }
        forcedFirstToken = options.forcedFirstToken ?? search.forcedBOSTokenID
        forcedLastTokens = search.forcedEOSTokenIDs
        suppressed = Set(search.suppressedTokenIDs)
        suppressedAtBeginning = Set(search.beginSuppressedTokenIDs)
        badWords = search.badWords.filter { !($0.count == 1 && endTokens.contains($0[0])) }
        self.endTokens = endTokens
    }

    // MARK: What may come next

    /// The only tokens that may follow, or `nil` where there are none such.
    func forced(after tokens: [Int]) -> [Int]? {
        if tokens.count == maximumLength - 1, !forcedLastTokens.isEmpty { return forcedLastTokens }
        if tokens.count == 1, let forcedFirstToken { return [forcedFirstToken] }
        return nil
    }

    /// Tokens that may not follow.
    func banned(after tokens: [Int]) -> Set<Int> {
        var banned = suppressed
        if tokens.count < minimumLength || tokens.count - promptCount < minimumNewTokens { banned.formUnion(endTokens) }
        let isForced = promptCount == 1 && forcedFirstToken != nil
        if tokens.count == promptCount + (isForced ? 1 : 0) { banned.formUnion(suppressedAtBeginning) }
        for word in badWords where tokens.count >= word.count - 1 {
            if tokens.suffix(word.count - 1).elementsEqual(word.dropLast()), let last = word.last {
                banned.insert(last)
            }
        }
        let size = noRepeatNgramSize
        guard size > 0, tokens.count + 1 >= size else { return banned }
        let start = tokens.suffix(size - 1)
        for index in 0..<max(tokens.count - size + 1, 0)
        where tokens[index..<index + size - 1].elementsEqual(start) { banned.insert(tokens[index + size - 1]) }
        return banned
    }
}
