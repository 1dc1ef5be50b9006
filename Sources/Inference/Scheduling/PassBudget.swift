/// How many tokens of prompts a pass may hold besides decoding sequences, so that these do not stall.
///
/// Two times are learnt from passes as they end: that of a pass that only decodes, and the time that a prompt's token
/// adds. While streams run, a pass takes at most `stretch` times as long as one that only decodes, or `leastSeconds`,
/// but never longer than `targetSeconds`. Without streams a pass may be as large as its memory allows.
package struct PassBudget: Sendable {
    /// The longest time of a pass while streams run.
    package let targetSeconds: Double
    /// A pass may always take this long; the fixed costs of shorter ones would outweigh their work.
    package let leastSeconds: Double
    package let stretch: Double
    /// The fewest tokens by which a prompt advances.
    package let leastTokenCount: Int

    /// Seconds of a pass that only decodes, by the power of two of its sequences.
    private var decodeSeconds: [Int: Double] = [:]
    private var secondsPerToken: Double?

    package init(
        targetSeconds: Double, leastSeconds: Double = 0.02, stretch: Double = 2, leastTokenCount: Int = 16
    ) {
        self.targetSeconds = targetSeconds
        self.leastSeconds = leastSeconds
        self.stretch = stretch
        self.leastTokenCount = leastTokenCount
    }

    private func size(_ decodeCount: Int) -> Int { Int.bitWidth - decodeCount.leadingZeroBitCount }

    /// The time of a pass that only decodes so many sequences, as far as it is known.
    private func decodeEstimate(_ decodeCount: Int) -> Double? {
        guard decodeCount > 0 else { return 0 }
        let size = size(decodeCount)
        return decodeSeconds[size] ?? decodeSeconds.min { abs($0.key - size) < abs($1.key - size) }?.value
    }

    /// The most prompt tokens of the next pass.
    /// - Parameter decodeCount: sequences that will decode in it.
    package func prefillTokenCount(decodeCount: Int) -> Int {
        guard decodeCount > 0 else { return .max }
        guard let secondsPerToken, secondsPerToken > 0, let decode = decodeEstimate(decodeCount) else {
            return 4 * leastTokenCount
        }
        let seconds = min(max(stretch * decode, leastSeconds), max(targetSeconds, decode)) - decode
        return max(Int(min(seconds / secondsPerToken, 1e9)), leastTokenCount)
    }

    /// Learns from a pass.
    package mutating func record(decodeCount: Int, prefillTokenCount: Int, seconds: Double) {
        guard seconds > 0 else { return }
        if prefillTokenCount == 0 {
            guard decodeCount > 0 else { return }
            let old = decodeSeconds[size(decodeCount)]
            decodeSeconds[size(decodeCount)] = old.map { $0 + 0.2 * (seconds - $0) } ?? seconds
        } else if prefillTokenCount >= leastTokenCount, let decode = decodeEstimate(decodeCount) {
            // A pass that was faster than its decoding alone was expected to be shows nothing about prompts.
            let perToken = max(seconds - decode, 0.1 * seconds) / Double(prefillTokenCount)
            secondsPerToken = secondsPerToken.map { $0 + 0.2 * (perToken - $0) } ?? perToken
        }
    }
}
