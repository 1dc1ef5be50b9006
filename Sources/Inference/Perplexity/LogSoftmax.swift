internal import Dispatch
internal import Glibc

/// Natural logarithms of the probabilities that rows of logits give to tokens.
package enum LogSoftmax {
    private typealias Lanes = SIMD16<Float>
    private static let laneCount = 16

    /// For each row, the logarithm of the probability of its token, to about 1e-7. Uses all cores.
    ///
    /// - Parameters:
    ///   - logits: `[R, V]`.
    ///   - tokens: `[R]`, each in `0..<V`.
    /// - Returns: `[R]`; NaN where a row holds a NaN or no finite largest logit.
    package static func logProbabilities(_ logits: [Float], of tokens: ArraySlice<Int>, vocabularySize: Int) -> [Double]
    {
        precondition(logits.count == tokens.count * vocabularySize, "\(logits.count) logits for \(tokens.count) tokens")
        return [Double](unsafeUninitializedCapacity: tokens.count) { output, count in
            count = tokens.count
            logits.withUnsafeBufferPointer { logits in
                // SAFETY: read only; and each iteration writes its own row's result.
                nonisolated(unsafe) let (logits, output) = (logits, output)
                DispatchQueue.concurrentPerform(iterations: tokens.count) { row in
                    let range = row * vocabularySize..<(row + 1) * vocabularySize
                    let values = UnsafeBufferPointer(rebasing: logits[range])
                    output[row] = logProbability(values, of: tokens[tokens.startIndex + row])
                }
            }
        }
    }

    private static func logProbability(_ logits: UnsafeBufferPointer<Float>, of token: Int) -> Double {
        let largest = largest(of: logits)
        guard largest.isFinite else { return .nan }
        return Double(logits[token]) - Double(largest) - log(exponentialSum(logits, minus: largest))
    }

    /// The logarithm of the sum of `exp(logit)` of a row: what to subtract from a logit for the logarithm of the token's
    /// probability. NaN where the row holds a NaN or no finite largest logit.
    package static func normalizer(_ logits: UnsafeBufferPointer<Float>) -> Double {
        let largest = largest(of: logits)
        guard largest.isFinite else { return .nan }
        return Double(largest) + log(exponentialSum(logits, minus: largest))
    }

    /// Whether the row holds no NaN and its largest logit is finite.
    static func isFinite(_ logits: UnsafeBufferPointer<Float>) -> Bool { largest(of: logits).isFinite }

    /// The largest logit; NaN where there is one.
    private static func largest(of logits: UnsafeBufferPointer<Float>) -> Float {
        var lanes = Lanes(repeating: -.infinity)
        var isNaN = lanes .!= lanes
        forEachLanes(of: logits, in: 0..<logits.count / laneCount * laneCount) { values in
            lanes = lanes.replacing(with: values, where: values .> lanes)
            isNaN = isNaN .| (values .!= values)
        }
        var largest = any(isNaN) ? Float.nan : lanes.max()
        // No number compares as greater than a NaN, so a NaN stays.
        for logit in logits.suffix(logits.count % laneCount) where logit > largest || logit.isNaN { largest = logit }
        return largest
    }

    /// The sum of `exp(logit - largest)`. Sums of a few hundred terms are kept in float32, their sum in float64.
    private static func exponentialSum(_ logits: UnsafeBufferPointer<Float>, minus largest: Float) -> Double {
        let partCount = 64 * laneCount
        let wholeCount = logits.count / laneCount * laneCount
        var total = 0.0
        for start in stride(from: 0, to: wholeCount, by: partCount) {
            var part = Lanes.zero
            forEachLanes(of: logits, in: start..<min(start + partCount, wholeCount)) {
                part += exponentials($0 - largest)
            }
            total += Double(part.sum())
        }
        for logit in logits.suffix(logits.count % laneCount) { total += Double(expf(logit - largest)) }
        return total
    }

    /// - Precondition: `range` is a whole number of lanes.
    @inline(__always)
    private static func forEachLanes(
        of logits: UnsafeBufferPointer<Float>, in range: Range<Int>, _ body: (Lanes) -> Void
    ) {
        guard let first = UnsafeRawPointer(logits.baseAddress) else { return }
        for index in stride(from: range.lowerBound, to: range.upperBound, by: laneCount) {
            body(first.loadUnaligned(fromByteOffset: index &* MemoryLayout<Float>.size, as: Lanes.self))
        }
    }

    /// `exp` of values that are not positive, to two units in the last place: a power of two times a polynomial. What is
    /// below -80 counts as -80, which adds nothing to a sum that holds a 1.
    @inline(__always)
    private static func exponentials(_ values: Lanes) -> Lanes {
        let x = values.replacing(with: -80, where: values .< -80)
        // Adding 1.5 · 2²³ leaves the rounded integer in the low bits of the mantissa.
        let magic = Lanes(repeating: 12_582_912)
        let shifted = x * 1.442_695 + magic
        let power = shifted - magic
        // ln 2 in two parts, so that the product with the first is exact.
        let rest = (x - power * 0.693_145_75) - power * 1.428_606_8e-6
        var sum = Lanes(repeating: 1.0 / 720)
        for coefficient: Float in [1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1, 1] { sum = sum * rest + coefficient }
        let exponent = unsafeBitCast(shifted, to: SIMD16<UInt32>.self) &<< 23
        return unsafeBitCast(unsafeBitCast(sum, to: SIMD16<UInt32>.self) &+ exponent, to: Lanes.self)
    }
}
