import CommandSupport
import LoadGenerator
import TensorCore
import Testing

@Suite("Arrivals") struct ArrivalTests {
    private func offsets(_ process: ArrivalProcess, _ count: Int, seed: UInt64 = 1) -> [Double] {
        var random = SplitMix64(seed: seed)
        return process.offsets(count: count, random: &random)
    }

    @Test("all at once") func immediate() {
        #expect(offsets(.immediate, 3) == [0, 0, 0])
    }

    @Test("the last of n requests comes at n / rate", arguments: [0.25, 1, 4, .infinity])
    func rate(burstiness: Double) {
        let times = offsets(.gamma(requestsPerSecond: 8, burstiness: burstiness), 200)
        #expect(abs((times.last ?? 0) - 25) < 1e-9)
        #expect(zip(times, times.dropFirst()).allSatisfy { $0 <= $1 })
        #expect(times == offsets(.gamma(requestsPerSecond: 8, burstiness: burstiness), 200), "the seed decides")
        #expect(
            burstiness.isInfinite
                || times != offsets(.gamma(requestsPerSecond: 8, burstiness: burstiness), 200, seed: 2))
    }

    @Test("intervals of the shape k vary by 1 / √k of their mean", arguments: [0.25, 0.5, 1, 2, 16])
    func burstiness(shape: Double) {
        let times = offsets(.gamma(requestsPerSecond: 1, burstiness: shape), 40_000)
        let intervals = SampleStatistics(zip(times.dropFirst(), times).map { $0 - $1 })
        let variation = intervals.standardDeviation / intervals.mean
        #expect(abs(variation * shape.squareRoot() - 1) < 0.05, "\(variation)")
    }

    @Test("infinite burstiness is even") func even() {
        #expect(offsets(.gamma(requestsPerSecond: 2, burstiness: .infinity), 4) == [0.5, 1, 1.5, 2])
    }
}
