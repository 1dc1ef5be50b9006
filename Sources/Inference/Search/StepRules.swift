internal import Foundation

/// What the rules of `generation_config.json` do to the scores of one step, in the order of `transformers`' logits
/// processors: biases, the penalty of the source's tokens, that of repeated ones, tokens that may not follow, and what
/// draws tokens that end a text. Greedy and drawn texts score with logits, beams with log-probabilities.
struct StepRules: Sendable {
    /// Tokens that may not follow.
    var banned: Set<Int> = []
    /// What is added to the scores of tokens.
    var biases: [Int: Double] = [:]
    /// Tokens that an encoder read, or the prompt of a decoder.
    var sourceTokens: Set<Int> = []
    /// What scores of the source's tokens are divided by under 0, and multiplied by above; 1: nothing.
    var sourcePenalty = 1.0
    /// Tokens that the text has; none where repetitions have no penalty.
    var repeatedTokens: Set<Int> = []
    /// What scores of repeated tokens are multiplied by under 0, and divided by above; 1: nothing.
    var repetitionPenalty = 1.0
    /// Tokens that end texts.
    var endTokens: Set<Int> = []
    /// The part of its size that is added to the score of a token that ends a text; 0: nothing.
    var endGrowth = 0.0

    /// Whether scores are changed.
    var changesScores: Bool {
        !biases.isEmpty || sourcePenalty != 1 || repetitionPenalty != 1 || endGrowth != 0
    }

    /// The tokens whose scores change and that are not banned, in order.
    var changedTokens: [Int] {
        guard changesScores else { return [] }
        var tokens = Set(biases.keys)
        if sourcePenalty != 1 { tokens.formUnion(sourceTokens) }
        if repetitionPenalty != 1 { tokens.formUnion(repeatedTokens) }
        if endGrowth != 0 { tokens.formUnion(endTokens) }
        return tokens.subtracting(banned).sorted()
    }

    /// The score of a token after all rules.
    func score(of token: Int, _ score: Double) -> Double {
        var score = biasedScore(of: token, score)
        if repetitionPenalty != 1, repeatedTokens.contains(token) {
            score = score < 0 ? score * repetitionPenalty : score / repetitionPenalty
        }
        return endScore(of: token, score)
    }

    /// The score of a token after the rules that come before the penalty of repetitions.
    func biasedScore(of token: Int, _ score: Double) -> Double {
        let score = score + (biases[token] ?? 0)
        guard sourcePenalty != 1, sourceTokens.contains(token) else { return score }
        return score < 0 ? score / sourcePenalty : score * sourcePenalty
    }

    /// The score of a token after the rule that comes behind all others.
    func endScore(of token: Int, _ score: Double) -> Double {
        guard endGrowth != 0, score.isFinite, endTokens.contains(token) else { return score }
        return max(-Double.greatestFiniteMagnitude, min(score + abs(score) * endGrowth, .greatestFiniteMagnitude))
    }
}
