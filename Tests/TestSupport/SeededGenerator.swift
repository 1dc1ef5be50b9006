/// A small deterministic generator (SplitMix64), so that randomised tests fail the same way twice.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) {
        state = seed
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A copy of `bytes` with one to four random edits: bytes replaced, removed, doubled, or copied from elsewhere.
    public mutating func mutate(_ bytes: [UInt8]) -> [UInt8] {
        var mutated = bytes
        for _ in 0..<Int.random(in: 1...4, using: &self) where !mutated.isEmpty {
            let position = Int.random(in: 0..<mutated.count, using: &self)
            switch Int.random(in: 0..<6, using: &self) {
            case 0: mutated[position] = UInt8.random(in: 0...255, using: &self)
            case 1: mutated[position] ^= 1 << UInt8.random(in: 0..<8, using: &self)
            case 2:
                let end = min(mutated.count, position + Int.random(in: 1...16, using: &self))
                mutated.removeSubrange(position..<end)
            case 3:
                let start = Int.random(in: 0..<mutated.count, using: &self)
                let end = min(mutated.count, start + Int.random(in: 1...32, using: &self))
                mutated.insert(contentsOf: Array(mutated[start..<end]), at: position)
            case 4: mutated.removeLast(mutated.count - position)
            default:
                let structural = Array("{}[]\",:0-9eE.\\untf ".utf8)
                mutated[position] = structural.randomElement(using: &self) ?? 0
            }
        }
        return mutated
    }
}
