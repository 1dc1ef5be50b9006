internal import Dispatch
internal import Foundation

/// How far a model's probabilities are from those of a base model, as llama.cpp's `llama-perplexity --kl-divergence`
/// reports it: the perplexities of both, the Kullback-Leibler divergence, and how the probability of the right token
/// changed.
public struct DivergenceEstimate: Sendable {
    /// A mean and its standard error.
    public struct Mean: Sendable, Hashable {
        /// The mean.
        public var value: Double
        /// Its standard error.
        public var error: Double
    }

    /// The values that one place adds.
    struct Place: Sendable {
        var logLoss = 0.0
        var baseLogLoss = 0.0
        var divergence = 0.0
        var hasSameTop = false

        /// The change of the right token's probability.
        var probabilityChange: Double { exp(-logLoss) - exp(-baseLogLoss) }
    }

    private(set) var places: [Place] = []

    public init() {}

    /// The number of tokens that were compared.
    public var tokenCount: Int { places.count }

    // MARK: Perplexities

    private func mean(_ value: (Place) -> Double) -> Mean {
        let count = Double(places.count)
        let mean = places.reduce(0) { $0 + value($1) } / count
        let squares = places.reduce(0) { $0 + value($1) * value($1) } / count
        let variance = squares - mean * mean
        return Mean(value: mean, error: count > 1 && variance > 0 ? (variance / (count - 1)).squareRoot() : 0)
    }

    /// The mean negative log-likelihood of the model, in nats.
    public var logPerplexity: Mean { mean(\.logLoss) }
    /// The mean negative log-likelihood of the base, in nats.
    public var baseLogPerplexity: Mean { mean(\.baseLogLoss) }
    /// The model's perplexity.
    public var perplexity: Mean { exponential(of: logPerplexity) }
    /// The base's perplexity.
    public var basePerplexity: Mean { exponential(of: baseLogPerplexity) }
    /// The mean of the logarithm of the ratio of the perplexities.
    public var logRatio: Mean { mean { $0.logLoss - $0.baseLogLoss } }
    /// The ratio of the perplexities.
    public var ratio: Mean { exponential(of: logRatio) }
    /// The correlation of the tokens' log-losses.
    public var correlation: Double { Correlation.pearson(places.map(\.logLoss), places.map(\.baseLogLoss)) }

    /// The model's perplexity less the base's.
    public var difference: Mean {
        let (own, base) = (perplexity, basePerplexity)
        // The perplexities' errors are correlated as their logarithms are.
        let covariance = correlation * logPerplexity.error * baseLogPerplexity.error
        let variance =
            own.error * own.error + base.error * base.error - 2 * covariance * own.value * base.value
        return Mean(value: own.value - base.value, error: max(variance, 0).squareRoot())
    }

    private func exponential(of mean: Mean) -> Mean {
        let value = exp(mean.value)
        return Mean(value: value, error: value * mean.error)
    }

    // MARK: Divergence

    /// The mean Kullback-Leibler divergence from the base, in nats.
    public var divergence: Mean { mean(\.divergence) }
    /// All divergences in order, for quantiles.
    public var sortedDivergences: [Double] { places.map(\.divergence).sorted() }
    /// How the right token's probability changed, from -1 to 1.
    public var probabilityChange: Mean { mean(\.probabilityChange) }
    /// The changes of the right token's probability, ascending.
    public var sortedProbabilityChanges: [Double] { places.map(\.probabilityChange).sorted() }

    /// The root of the mean square of the changes.
    public var rootMeanSquareChange: Mean {
        let squares = mean { $0.probabilityChange * $0.probabilityChange }
        let root = squares.value.squareRoot()
        return Mean(value: root, error: root > 0 ? squares.error / (2 * root) : 0)
    }

    /// The share of places where both models have the same best token.
    public var sameTop: Mean {
        let share = places.reduce(0) { $0 + ($1.hasSameTop ? 1 : 0) } / Double(places.count)
        let error = places.count > 1 ? (share * (1 - share) / Double(places.count - 1)).squareRoot() : 0
        return Mean(value: share, error: error)
    }

    // MARK: Adding

    /// Compares rows of logits with those of a base. Uses all cores.
    /// - Parameters:
    ///   - logits: `[R, V]`.
    ///   - targets: `[R]`, the right tokens.
    ///   - firstPlace: of the first row, among the base's.
    mutating func add(_ logits: [Float], targets: ArraySlice<Int>, base: LogitBaseFile, firstPlace: Int) {
        let width = base.vocabularySize
        precondition(logits.count == targets.count * width, "\(logits.count) logits for \(targets.count) tokens")
        places += [Place](unsafeUninitializedCapacity: targets.count) { output, count in
            guard let first = output.baseAddress else { return }
            count = targets.count
            logits.withUnsafeBufferPointer { logits in
                // SAFETY: read only; and each iteration writes its own row's result.
                nonisolated(unsafe) let (logits, first, base) = (logits, first, base)
                DispatchQueue.concurrentPerform(iterations: targets.count) { row in
                    let values = UnsafeBufferPointer(rebasing: logits[row * width..<(row + 1) * width])
                    let place = DivergenceEstimate.place(
                        values, base.row(firstPlace + row), target: targets[targets.startIndex + row])
                    (first + row).initialize(to: place)
                }
            }
        }
    }

    private static func place(
        _ logits: UnsafeBufferPointer<Float>, _ base: UnsafeRawBufferPointer, target: Int
    ) -> Place {
        let normalizer = Float(LogSoftmax.normalizer(logits))
        func bits(_ offset: Int) -> Float {
            Float(bitPattern: UInt32(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
        }
        let (scale, lowest) = (bits(0), bits(4))
        func baseValue(_ token: Int) -> Float {
            let offset = 2 * (LogitBase.rowHeadCount + token)
            let quant = UInt16(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            return scale * Float(quant) + lowest
        }
        var result = Place(
            logLoss: Double(normalizer - logits[target]), baseLogLoss: Double(-baseValue(target)))
        var (top, baseTop) = (0, 0)
        var greatest = -Float.infinity
        var sum = 0.0
        for token in logits.indices {
            let value = baseValue(token)
            if logits[token] > logits[top] { top = token }
            if value > greatest { (greatest, baseTop) = (value, token) }
            if value > -LogitBase.range { sum += Double(expf(value) * (value - logits[token] + normalizer)) }
        }
        result.divergence = sum
        result.hasSameTop = top == baseTop
        return result
    }
}
