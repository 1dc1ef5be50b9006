/// Random numbers by counter: the `step`-th number of a seed needs no earlier one, so a sequence that is preempted and
/// recomputed, or runs beside others, draws the same numbers. (SplitMix64's mixing; Steele, Lea and Flood, 2014)
struct CounterRandom: Sendable, Hashable {
    let seed: UInt64

    /// A number in 0..<1 with 53 random bits.
    func uniform(step: Int) -> Double {
        let mixed = CounterRandom.mix(CounterRandom.mix(seed) &+ UInt64(truncatingIfNeeded: step))
        return Double(mixed >> 11) * 0x1p-53
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var z = value &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
