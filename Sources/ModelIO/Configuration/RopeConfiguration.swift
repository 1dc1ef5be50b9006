internal import Dispatch
internal import Glibc

/// The rotary position embedding of a model: which angles its configuration gives, computed in float64.
///
/// Legend: `R` rotated elements of a head, `P` positions. Pair `i` of position `p` turns by
/// `p * inverseFrequencies()[i]`.
public struct RopeConfiguration: Sendable, Hashable {
    /// How the frequencies are changed to reach contexts longer than those trained on.
    public enum Scaling: Sendable, Hashable {
        /// No change. (Su et al., 2021)
        case none
        /// All frequencies divided by `factor`. (Chen et al., 2023)
        case linear(factor: Double)
        /// The base grows with the context once it is longer than the trained one. This engine uses no longer contexts,
        /// so this changes nothing here.
        case dynamic(factor: Double)
        /// Low frequencies divided by `factor`, high ones kept, those between blended. (Llama 3.1)
        case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalContext: Int)
        /// YaRN. (Peng et al., 2023)
        case yarn(YarnScaling)
        /// The frequency of each pair divided by its own factor, `[R / 2]`.
        case factors([Double])
        /// LongRoPE. (Ding et al., 2024; Phi-3)
        case longRope(LongRopeScaling)
    }

    /// The parameters of LongRoPE: one list of factors for contexts as long as in training, one for longer ones. The
    /// context that a model is loaded for decides which of them applies, so that cached keys stay valid.
    public struct LongRopeScaling: Sendable, Hashable {
        /// The divisor of each pair's frequency, `[R / 2]`.
        public var shortFactors: [Double]
        public var longFactors: [Double]
        /// Tokens of the contexts the model was first trained on.
        public var originalContext: Int
        /// A factor for cosines and sines.
        public var attentionFactor: Double

        public init(shortFactors: [Double], longFactors: [Double], originalContext: Int, attentionFactor: Double) {
            self.shortFactors = shortFactors
            self.longFactors = longFactors
            self.originalContext = originalContext
            self.attentionFactor = attentionFactor
        }
    }

    /// The parameters of YaRN.
    public struct YarnScaling: Sendable, Hashable {
        public var factor: Double
        /// Tokens of the contexts the model was first trained on.
        public var originalContext: Int
        /// Rotations over the original context above which a pair keeps its frequency, and below which it is divided.
        public var betaFast = 32.0
        public var betaSlow = 1.0
        /// Whether the ends of the blend are rounded to whole pairs.
        public var truncates = true
        /// A factor for cosines and sines; `nil`: `0.1 ln(factor) + 1`, or computed from `mscale` where both are given.
        public var attentionFactor: Double?
        public var mscale: Double?
        public var mscaleAllDimensions: Double?

        public init(factor: Double, originalContext: Int) {
            self.factor = factor
            self.originalContext = originalContext
        }
    }

    public let base: Double
    /// `R`; even.
    public let rotarySize: Int
    public let scaling: Scaling

    /// - Precondition: `rotarySize` is positive and even, and `base` is over 1.
    public init(base: Double, rotarySize: Int, scaling: Scaling = .none) {
        precondition(rotarySize > 0 && rotarySize % 2 == 0, "rotary size \(rotarySize)")
        precondition(base > 1, "rotary base \(base)")
        for factors in scaling.pairFactors {
            precondition(factors.count == rotarySize / 2, "\(factors.count) factors for \(rotarySize) elements")
        }
        self.base = base
        self.rotarySize = rotarySize
        self.scaling = scaling
    }

    /// Radians that each pair turns from one position to the next, `[R / 2]`, for contexts of up to `contextLength`
    /// tokens.
    public func inverseFrequencies(contextLength: Int = 1) -> [Double] {
        let plain = (0..<rotarySize / 2).map { 1 / pow(base, Double(2 * $0) / Double(rotarySize)) }
        switch scaling {
        case .none, .dynamic: return plain
        case .linear(let factor): return plain.map { $0 / factor }
        case .llama3(let factor, let low, let high, let context):
            return plain.map { frequency in
                let rotations = Double(context) * frequency / (2 * Double.pi)
                if rotations > high { return frequency }
                if rotations < low { return frequency / factor }
                let smooth = (rotations - low) / (high - low)
                return (1 - smooth) * frequency / factor + smooth * frequency
            }
        case .yarn(let yarn): return yarnFrequencies(plain, yarn)
        case .factors(let factors): return zip(plain, factors).map { $0 / $1 }
        case .longRope(let long):
            let factors = contextLength > long.originalContext ? long.longFactors : long.shortFactors
            return zip(plain, factors).map { $0 / $1 }
        }
    }

    /// The factor of cosines and sines: 1 except for YaRN and LongRoPE.
    public var attentionFactor: Double {
        if case .longRope(let long) = scaling { return long.attentionFactor }
        guard case .yarn(let yarn) = scaling else { return 1 }
        if let stated = yarn.attentionFactor { return stated }
        func scale(_ mscale: Double) -> Double { yarn.factor <= 1 ? 1 : 0.1 * mscale * log(yarn.factor) + 1 }
        if let mscale = yarn.mscale, let all = yarn.mscaleAllDimensions, mscale != 0, all != 0 {
            return scale(mscale) / scale(all)
        }
        return scale(1)
    }

    private func yarnFrequencies(_ plain: [Double], _ yarn: YarnScaling) -> [Double] {
        // The pair that turns `rotations` times over the original context.
        func pair(_ rotations: Double) -> Double {
            Double(rotarySize) * log(Double(yarn.originalContext) / (rotations * 2 * Double.pi)) / (2 * log(base))
        }
        var (low, high) = (pair(yarn.betaFast), pair(yarn.betaSlow))
        if yarn.truncates { (low, high) = (floor(low), ceil(high)) }
        low = max(low, 0)
        high = min(high, Double(rotarySize - 1))
        if low == high { high += 0.001 }
        return plain.enumerated().map { index, frequency in
            let ramp = min(max((Double(index) - low) / (high - low), 0), 1)
            return frequency / yarn.factor * ramp + frequency * (1 - ramp)
        }
    }

    /// Cosines and sines of the positions from 0 on, as `RopeArguments.table` wants them: `[P, 2, R / 2]`, for each
    /// position first the cosines of all pairs, then the sines, times `attentionFactor`, rounded from float64.
    /// - Precondition: `positions` is not negative.
    public func table(positions: Int) -> [Float] {
        precondition(positions >= 0, "\(positions) positions")
        let frequencies = inverseFrequencies(contextLength: positions)
        let factor = attentionFactor
        let (chunk, row) = (256, rotarySize)
        return [Float](unsafeUninitializedCapacity: positions * row) { buffer, count in
            count = positions * row
            // SAFETY: each iteration writes the rows of its own positions only.
            nonisolated(unsafe) let table = buffer
            DispatchQueue.concurrentPerform(iterations: (positions + chunk - 1) / chunk) { index in
                let range = index * chunk..<min((index + 1) * chunk, positions)
                let rows = UnsafeMutableBufferPointer(rebasing: table[range.lowerBound * row..<range.upperBound * row])
                RopeConfiguration.fill(rows, range, frequencies, factor)
            }
        }
    }

    /// Fills the table's rows of the positions in `range`. Cosine and sine are evaluated at every 16th position and
    /// turned by one step in between, which costs less than 1e-14 of accuracy; the angle's own rounding costs more.
    private static func fill(
        _ rows: UnsafeMutableBufferPointer<Float>, _ range: Range<Int>, _ frequencies: [Double], _ factor: Double
    ) {
        let pairs = frequencies.count
        let steps = frequencies.map { (cosine: cos($0), sine: sin($0)) }
        var turns = steps
        for (index, position) in range.enumerated() {
            let first = index * 2 * pairs
            for pair in 0..<pairs {
                var (cosine, sine) = turns[pair]
                if index % 16 == 0 {
                    let angle = Double(position) * frequencies[pair]
                    (cosine, sine) = (cos(angle), sin(angle))
                } else {
                    let step = steps[pair]
                    (cosine, sine) = (
                        cosine * step.cosine - sine * step.sine, sine * step.cosine + cosine * step.sine
                    )
                }
                turns[pair] = (cosine, sine)
                rows[first + pair] = Float(cosine * factor)
                rows[first + pairs + pair] = Float(sine * factor)
            }
        }
    }
}

extension RopeConfiguration.Scaling {
    /// The divisors of the pairs' frequencies, where a scaling has lists of them.
    fileprivate var pairFactors: [[Double]] {
        switch self {
        case .factors(let factors): [factors]
        case .longRope(let long): [long.shortFactors, long.longFactors]
        default: []
        }
    }
}
