import Foundation
package import TensorCore

/// When requests are sent, whatever the server answers: an open loop.
package enum ArrivalProcess: Sendable, Hashable {
    /// All at once.
    case immediate
    /// Intervals drawn from a gamma distribution of the mean `1 / rate` and the shape `burstiness`: 1 is a Poisson
    /// process, less comes in bursts, more is more even. (The definition of vLLM's `bench serve`)
    case gamma(requestsPerSecond: Double, burstiness: Double)

    /// Seconds from the start to each of `count` requests, ascending. They are stretched so that the last comes at
    /// `count / rate`, as vLLM does it: the rate is exact whatever was drawn.
    package func offsets(count: Int, random: inout SplitMix64) -> [Double] {
        guard case .gamma(let rate, let burstiness) = self else { return Array(repeating: 0, count: count) }
        var time = 0.0
        let offsets = (0..<count).map { _ in
            time += burstiness.isInfinite ? 1 / rate : random.gamma(shape: burstiness) / (rate * burstiness)
            return time
        }
        guard time > 0 else { return offsets }
        let stretch = Double(count) / rate / time
        return offsets.map { $0 * stretch }
    }
}

extension SplitMix64 {
    /// A standard normal number. (Box and Muller, 1958)
    package mutating func normal() -> Double {
        // 1 - u is never 0.
        (-2 * log(1 - unit())).squareRoot() * cos(2 * .pi * unit())
    }

    /// A gamma-distributed number of scale 1. (Marsaglia and Tsang, 2000)
    /// - Parameter shape: over 0.
    package mutating func gamma(shape: Double) -> Double {
        guard shape >= 1 else {
            let boost = pow(1 - unit(), 1 / shape)
            return gamma(shape: shape + 1) * boost
        }
        let d = shape - 1 / 3
        let c = 1 / (9 * d).squareRoot()
        while true {
            let x = normal()
            let v = pow(1 + c * x, 3)
            guard v > 0 else { continue }
            if log(1 - unit()) < x * x / 2 + d - d * v + d * log(v) { return d * v }
        }
    }
}
