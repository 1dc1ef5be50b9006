internal import Dispatch
internal import Glibc

/// Natural logarithms of the probabilities that rows of logits give to tokens.
enum LogSoftmax {
    /// For each row, the logarithm of the probability of its token, in float64. Uses all cores.
    ///
    /// - Parameters:
    ///   - logits: `[R, V]`.
    ///   - tokens: `[R]`, each in `0..<V`.
    /// - Returns: `[R]`; NaN where a row holds no finite largest logit.
    static func logProbabilities(_ logits: [Float], of tokens: ArraySlice<Int>, vocabularySize: Int) -> [Double] {
        precondition(logits.count == tokens.count * vocabularySize, "\(logits.count) logits for \(tokens.count) tokens")
        return [Double](unsafeUninitializedCapacity: tokens.count) { output, count in
            count = tokens.count
            logits.withUnsafeBufferPointer { logits in
                // SAFETY: read only; and each iteration writes its own row's result.
                nonisolated(unsafe) let (logits, output) = (logits, output)
                DispatchQueue.concurrentPerform(iterations: tokens.count) { row in
                    let values = UnsafeBufferPointer(
                        rebasing: logits[row * vocabularySize..<(row + 1) * vocabularySize])
                    output[row] = logProbability(values, of: tokens[tokens.startIndex + row])
                }
            }
        }
    }

    private static func logProbability(_ logits: UnsafeBufferPointer<Float>, of token: Int) -> Double {
        var largest = -Float.infinity
        for logit in logits where !(logit <= largest) { largest = logit }
        guard largest.isFinite else { return .nan }
        var sum = 0.0
        for logit in logits { sum += Double(expf(logit - largest)) }
        return Double(logits[token] - largest) - log(sum)
    }
}
