internal import JSONCore

/// The settings that a model's files recommend for searching target texts: the keys of `generation_config.json` other
/// than those for sampling.
public struct SearchConfiguration: Sendable, Hashable {
    /// When a beam search ends, once it has as many complete texts as beams.
    public enum EarlyStopping: Sendable, Hashable {
        /// Immediately.
        case always
        /// When the best open beam could not become better at its present length.
        case heuristic
        /// When the best open beam could not become better at any length.
        case never
    }

    public var beamCount: Int?
    /// The length penalty: the exponent of the length by which a text's log-probability is divided.
    public var lengthPenalty: Double?
    public var earlyStopping: EarlyStopping?
    /// No sequence of so many tokens occurs twice.
    public var noRepeatNgramSize: Int?
    /// No sequence of so many tokens of the source occurs in the target.
    public var sourceNoRepeatNgramSize: Int?
    /// The fewest tokens of a target text, with the one it begins with.
    public var minimumLength: Int?
    /// The fewest tokens of a target text, without the one it begins with.
    public var minimumNewTokens: Int?
    /// The first token.
    public var forcedBOSTokenID: Int?
    /// The last token of a text that reaches the greatest length; any of these.
    public var forcedEOSTokenIDs: [Int] = []
    /// Tokens that never occur, and tokens that never occur at the beginning.
    public var suppressedTokenIDs: [Int] = []
    public var beginSuppressedTokenIDs: [Int] = []
    /// Sequences of tokens that never occur.
    public var badWords: [[Int]] = []
    /// What is added to the score of the last of some tokens, where those before it stand at the end of a text.
    public var sequenceBiases: [[Int]: Double] = [:]
    /// What scores of the source's tokens are multiplied by above 0, and divided by under it.
    public var sourceRepetitionPenalty: Double?
    /// What draws tokens that end texts.
    public var lengthDecay: LengthDecay?
    /// Whether the probabilities of tokens are brought to a sum of 1 again after all rules.
    public var renormalizesLogits = false

    /// The scores of tokens that end texts grow by their size times `factor` to the power of the new tokens past `start`,
    /// less 1.
    public struct LengthDecay: Sendable, Hashable {
        public var start: Int
        public var factor: Double
    }

    public init() {}

    init(_ keys: ConfigurationReader) throws {
        let tokens = 0...SizeLimit.vocabulary
        beamCount = try keys.optionalInteger("num_beams", in: 1...4096)
        lengthPenalty = try keys.optionalNumber("length_penalty")
        earlyStopping = try SearchConfiguration.earlyStopping(keys)
        noRepeatNgramSize = try keys.optionalInteger("no_repeat_ngram_size", in: 0...SizeLimit.positions)
        sourceNoRepeatNgramSize = try keys.optionalInteger(
            "encoder_no_repeat_ngram_size", in: 0...SizeLimit.positions)
        minimumLength = try keys.optionalInteger("min_length", in: 0...SizeLimit.positions)
        minimumNewTokens = try keys.optionalInteger("min_new_tokens", in: 0...SizeLimit.positions)
        forcedBOSTokenID = try keys.optionalInteger("forced_bos_token_id", in: tokens)
        if let (_, value) = keys.value("forced_eos_token_id") {
            forcedEOSTokenIDs =
                try value.array == nil
                ? [keys.optionalInteger("forced_eos_token_id", in: tokens)].compactMap { $0 }
                : keys.integers("forced_eos_token_id", in: tokens) ?? []
        }
        suppressedTokenIDs = try keys.integers("suppress_tokens", in: tokens) ?? []
        beginSuppressedTokenIDs = try keys.integers("begin_suppress_tokens", in: tokens) ?? []
        badWords = try SearchConfiguration.badWords(keys)
        sequenceBiases = try SearchConfiguration.sequenceBiases(keys)
        sourceRepetitionPenalty = try keys.optionalNumber("encoder_repetition_penalty", in: NumberRange.positive)
        lengthDecay = try SearchConfiguration.lengthDecay(keys)
        renormalizesLogits = try keys.flag("renormalize_logits", default: false)
    }

    private static func earlyStopping(_ keys: ConfigurationReader) throws -> EarlyStopping? {
        guard let (key, value) = keys.value("early_stopping") else { return nil }
        if let flag = value.bool { return flag ? .always : .heuristic }
        guard value.string == "never" else { throw keys.invalid(key, value, expected: "true, false or \"never\"") }
        return .never
    }

    private static func badWords(_ keys: ConfigurationReader) throws -> [[Int]] {
        guard let (key, value) = keys.value("bad_words_ids") else { return [] }
        guard let rows = value.array else {
            throw keys.invalid(key, value, expected: "an array of arrays of token ids")
        }
        return try rows.enumerated().map { index, row in try tokens(row, of: keys, at: "\(key)[\(index)]") }
    }

    private static func sequenceBiases(_ keys: ConfigurationReader) throws -> [[Int]: Double] {
        guard let (key, value) = keys.value("sequence_bias") else { return [:] }
        guard let rows = value.array else {
            throw keys.invalid(key, value, expected: "arrays of token ids with a number each, as [[[1, 2], 0.5]]")
        }
        guard !rows.isEmpty else { throw keys.invalid(key, nothing: "one array of token ids with a number at least") }
        var biases: [[Int]: Double] = [:]
        for (index, row) in rows.enumerated() {
            let place = "\(key)[\(index)]"
            let pair = try pair(row, of: keys, at: place, expected: "an array of token ids and a number")
            let words = try tokens(pair[0], of: keys, at: place + "[0]")
            guard let bias = pair[1].double, bias.isFinite else {
                throw keys.invalid(place + "[1]", pair[1], expected: "a finite number")
            }
            biases[words] = bias
        }
        return biases
    }

    private static func lengthDecay(_ keys: ConfigurationReader) throws -> LengthDecay? {
        guard let (key, value) = keys.value("exponential_decay_length_penalty") else { return nil }
        let pair = try pair(value, of: keys, at: key, expected: "a number of tokens and a factor, as [10, 1.05]")
        guard let start = pair[0].integral, abs(start) <= SizeLimit.positions else {
            throw keys.invalid(key + "[0]", pair[0], expected: "a number of tokens")
        }
        guard let factor = pair[1].double, factor.isFinite else {
            throw keys.invalid(key + "[1]", pair[1], expected: "a finite number")
        }
        return LengthDecay(start: start, factor: factor)
    }

    /// An array of token ids, at least one.
    private static func tokens(
        _ value: ConfigurationValue, of keys: ConfigurationReader, at place: String
    ) throws -> [Int] {
        guard let elements = value.array else { throw keys.invalid(place, value, expected: "an array of token ids") }
        guard !elements.isEmpty else { throw keys.invalid(place, nothing: "at least one token id") }
        return try elements.enumerated().map { index, element in
            guard let token = element.integral, (0...SizeLimit.vocabulary).contains(token) else {
                throw keys.invalid("\(place)[\(index)]", element, expected: "a token id")
            }
            return token
        }
    }

    private static func pair(
        _ value: ConfigurationValue, of keys: ConfigurationReader, at place: String, expected: String
    ) throws -> [ConfigurationValue] {
        guard let pair = value.array else { throw keys.invalid(place, value, expected: expected) }
        guard pair.count == 2 else {
            throw LoadError.invalidValue(
                path: keys.path, key: keys.prefix + place, expected: expected,
                found: pair.isEmpty ? "an empty array" : "an array of \(pair.count)")
        }
        return pair
    }
}

extension ConfigurationReader {
    /// The error that says an array is empty.
    fileprivate func invalid(_ key: String, nothing expected: String) -> LoadError {
        .invalidValue(path: path, key: prefix + key, expected: expected, found: "an empty array")
    }
}
