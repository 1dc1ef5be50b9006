/// A small seeded generator, so that every run computes on the same numbers. (Steele, Lea and Flood, 2014)
package struct RandomNumbers: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// In `0..<1`, from 53 bits.
    package mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// Evenly over `-scale..<scale`.
    package mutating func float(scale: Float) -> Float {
        (Float(Int32(truncatingIfNeeded: next() >> 32)) * 0x1p-31) * scale
    }

    package mutating func floats(_ count: Int, scale: Float = 1) -> [Float] {
        var copy = self
        defer { self = copy }
        return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            for index in 0..<count { buffer[index] = copy.float(scale: scale) }
            initialized = count
        }
    }

    package mutating func tokens(_ count: Int, vocabularySize: Int) -> [Int32] {
        (0..<count).map { _ in Int32(next() % UInt64(vocabularySize)) }
    }
}
