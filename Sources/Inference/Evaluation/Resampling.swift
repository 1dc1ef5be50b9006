internal import TensorCore

/// Intervals and tests by resampling examples. The random numbers are fixed, so the same examples give the same result.
/// (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993)
public enum Resampling {
    /// The number of samples drawn by default.
    public static let usualRoundCount = 1000

    /// Measures of some examples, each with the middle 95 % of its values over samples drawn with replacement.
    /// - Parameters:
    ///   - count: examples.
    ///   - rounds: samples drawn; 0: no intervals.
    ///   - measure: the measures of the examples with these indices, always the same ones in the same order.
    public static func measures(
        count: Int, rounds: Int = usualRoundCount, _ measure: ([Int]) -> [Measure]
    ) -> [Measure] {
        var measures = measure(Array(0..<count))
        guard count > 0, rounds > 0 else { return measures }
        var random = SplitMix64(seed: 1)
        var drawn = [[Double]](repeating: [], count: measures.count)
        for _ in 0..<rounds {
            let sample = (0..<count).map { _ in random.next(below: count) }
            // A measure may be undefined for a sample, such as a correlation of equal numbers.
            for (index, value) in measure(sample).enumerated() where value.value.isFinite {
                drawn[index].append(value.value)
            }
        }
        for index in measures.indices where !drawn[index].isEmpty {
            let sorted = drawn[index].sorted()
            measures[index].interval = quantile(sorted, 0.025)...quantile(sorted, 0.975)
        }
        return measures
    }

    /// The middle 95 % of the means of samples of some values; 0 where there is no value.
    public static func interval(_ values: [Double], rounds: Int = 2 * usualRoundCount) -> ClosedRange<Double> {
        let mean = measures(count: values.count, rounds: rounds) { sample in
            [Measure("mean", sample.reduce(0) { $0 + values[$1] } / Double(max(sample.count, 1)))]
        }
        return mean.first?.interval ?? 0...0
    }

    /// The share of sign changes of the paired differences whose mean is as far from 0 as the one seen (a randomisation
    /// test, two-sided).
    /// - Precondition: there are as many values of one as of the other.
    public static func pairedProbability(
        _ first: [Double], _ second: [Double], rounds: Int = 2 * usualRoundCount
    ) -> Double {
        precondition(first.count == second.count, "pairs of \(first.count) and \(second.count) values")
        let differences = zip(first, second).map { $0 - $1 }
        let seen = abs(differences.reduce(0, +))
        var random = SplitMix64(seed: 2)
        let beyond = (0..<rounds).count { _ in
            let sum = differences.reduce(0.0) { $0 + (random.next(below: 2) == 0 ? $1 : -$1) }
            return abs(sum) >= seen - 1e-12
        }
        return Double(beyond + 1) / Double(rounds + 1)
    }

    /// A quantile of sorted numbers, linear between neighbours (NumPy's default).
    /// - Precondition: there is a number.
    public static func quantile(_ sorted: [Double], _ share: Double) -> Double {
        precondition(!sorted.isEmpty, "a quantile of no numbers")
        let place = share * Double(sorted.count - 1)
        let low = Int(place.rounded(.down))
        let high = min(low + 1, sorted.count - 1)
        return sorted[low] + (sorted[high] - sorted[low]) * (place - Double(low))
    }
}
