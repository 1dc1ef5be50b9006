internal import Glibc

/// A running estimate of a perplexity: the mean of the tokens' negative log-probabilities, and its error.
public struct PerplexityEstimate: Sendable, Hashable {
    /// The number of tokens so far.
    public private(set) var tokenCount = 0
    private var sum = 0.0
    private var sumOfSquares = 0.0

    public init() {}

    /// Adds a token by the natural logarithm of its probability.
    public mutating func add(logProbability: Double) {
        tokenCount += 1
        sum -= logProbability
        sumOfSquares += logProbability * logProbability
    }

    /// Mean negative log-likelihood in nats; NaN before the first token.
    public var meanNegativeLogLikelihood: Double { sum / Double(tokenCount) }

    /// `exp` of the mean.
    public var perplexity: Double { exp(meanNegativeLogLikelihood) }

    /// One standard error of the perplexity, from the variance of the tokens' negative log-likelihoods; 0 where it is
    /// none.
    public var standardError: Double {
        let mean = meanNegativeLogLikelihood
        let variance = sumOfSquares / Double(tokenCount) - mean * mean
        guard tokenCount > 1, variance > 0 else { return 0 }
        return (variance / Double(tokenCount - 1)).squareRoot() * perplexity
    }
}
