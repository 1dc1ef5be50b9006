/// A small seeded generator, so that every case draws the same numbers on every machine. (Steele, Lea and Flood, 2014)
public struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    /// Seeds from a case's name (FNV-1a), so that adding a case leaves the others' numbers as they were.
    public init(name: String) {
        state = name.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0100_0000_01b3 }
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    /// `count` values spread evenly over `-scale..<scale`.
    public mutating func floats(_ count: Int, scale: Float = 1) -> [Float] {
        (0..<count).map { _ in (Float(next() >> 40) / 8_388_608 - 1) * scale }
    }

    /// `count` values in `range`.
    public mutating func int32s(_ count: Int, in range: Range<Int>) -> [Int32] {
        (0..<count).map { _ in Int32(Int.random(in: range, using: &self)) }
    }

    /// `0..<count` in random order.
    public mutating func permutation(_ count: Int) -> [Int] { (0..<count).shuffled(using: &self) }
}
