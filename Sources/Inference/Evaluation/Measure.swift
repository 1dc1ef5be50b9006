/// A number that says how well a task is done, and how far it would move with other examples of the same kind.
public struct Measure: Sendable, Hashable {
    public var name: String
    public var value: Double
    /// The middle 95 % of the values of samples drawn again; `nil` where none were drawn.
    public var interval: ClosedRange<Double>?

    public init(_ name: String, _ value: Double, interval: ClosedRange<Double>? = nil) {
        self.name = name
        self.value = value
        self.interval = interval
    }
}

/// Intervals by drawing examples again, with replacement (Efron and Tibshirani, 1993; the percentile method).
public enum Resampling {
    /// Samples drawn where nothing else is said.
    public static let usualRoundCount = 1000

    /// Measures of some examples, each with its interval; the same for the same examples.
    /// - Parameters:
    ///   - count: examples.
    ///   - rounds: samples drawn; 0: no intervals.
    ///   - measure: the measures of the examples with these indices, always the same ones in the same order.
    public static func measures(
        count: Int, rounds: Int = usualRoundCount, _ measure: ([Int]) -> [Measure]
    ) -> [Measure] {
        var measures = measure(Array(0..<count))
        guard count > 0, rounds > 0 else { return measures }
        let random = CounterRandom(seed: 0)
        var drawn = [[Double]](repeating: [], count: measures.count)
        for round in 0..<rounds {
            let sample = (0..<count).map { draw in
                min(Int(random.uniform(step: round * count + draw) * Double(count)), count - 1)
            }
            // A sample may leave a measure undefined, such as a correlation of equal numbers.
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
