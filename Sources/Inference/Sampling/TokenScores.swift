/// Scores tokens by a row of logits.
enum TokenScores {
    /// The logarithm of the probability of a token and of the most likely ones.
    /// - Returns: `nil` where the row is not finite.
    static func score(_ token: Int32, alternatives count: Int, _ logits: UnsafeBufferPointer<Float>) -> TokenScore? {
        let normalizer = LogSoftmax.normalizer(logits)
        guard normalizer.isFinite else { return nil }
        var best: [Candidate] = []
        if count > 0 {
            best = Sampler.largest(
                count, of: logits.indices.map { Candidate(token: Int32($0), logit: logits[$0]) })
        }
        return TokenScore(
            token: token, logProbability: Double(logits[Int(token)]) - normalizer,
            alternatives: best.prefix(count).map { ($0.token, Double($0.logit) - normalizer) })
    }
}
