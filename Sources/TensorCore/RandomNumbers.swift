/// The one seeded generator: every run draws the same numbers of a seed, on every machine. Not for secrets.
/// (SplitMix64; Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014)
public struct SplitMix64: RandomNumberGenerator, Sendable, Hashable {
    @usableFromInline var state: UInt64

    @inlinable public init(seed: UInt64) { state = seed }

    @inlinable public mutating func next() -> UInt64 {
        defer { state &+= SplitMix64.increment }
        return SplitMix64.mix(state)
    }

    /// In `0..<bound`. The bias of the product is below 2⁻⁴⁰ for bounds up to 2²⁴.
    /// - Precondition: `bound` is over 0.
    @inlinable public mutating func next(below bound: Int) -> Int {
        Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// In `0..<1`, from 53 bits.
    @inlinable public mutating func unit() -> Double { SplitMix64.unit(next()) }

    /// Evenly over `-scale..<scale`, from 24 bits.
    @inlinable public mutating func float(scale: Float = 1) -> Float { (Float(next() >> 40) * 0x1p-23 - 1) * scale }

    /// `count` values, each evenly over `-scale..<scale`.
    public mutating func floats(_ count: Int, scale: Float = 1) -> [Float] {
        var copy = self
        defer { self = copy }
        return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            for index in 0..<count { buffer[index] = copy.float(scale: scale) }
            initialized = count
        }
    }

    /// `count` token ids below `vocabularySize`.
    public mutating func tokens(_ count: Int, vocabularySize: Int) -> [Int32] {
        (0..<count).map { _ in Int32(next() % UInt64(vocabularySize)) }
    }

    /// What the state grows by: 2⁶⁴ over the golden ratio, made odd.
    @inlinable static var increment: UInt64 { 0x9e37_79b9_7f4a_7c15 }

    /// The number drawn at a state: a bijection whose outputs pass tests of randomness for inputs in sequence.
    @inlinable public static func mix(_ state: UInt64) -> UInt64 {
        var mixed = state &+ increment
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    @inlinable static func unit(_ bits: UInt64) -> Double { Double(bits >> 11) * 0x1p-53 }
}

/// Random numbers by position: the number at a `step` of a seed needs no earlier one, so a sequence that is preempted and
/// computed again, or runs beside others, draws the same numbers. They are not the numbers that `SplitMix64` draws of the
/// same seed: the seed is mixed first, so that the steps of neighbouring seeds do not overlap.
package struct CounterRandom: Sendable, Hashable {
    private let mixedSeed: UInt64

    package init(seed: UInt64) { mixedSeed = SplitMix64.mix(seed) }

    /// In `0..<1`, from 53 bits.
    package func uniform(step: Int) -> Double {
        SplitMix64.unit(SplitMix64.mix(mixedSeed &+ UInt64(truncatingIfNeeded: step)))
    }
}
