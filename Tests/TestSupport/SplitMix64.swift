// Tests draw from the generator that the sources have, and need no import of TensorCore for it.
@_exported public import struct TensorCore.SplitMix64

extension SplitMix64 {
    /// Seeds from a case's name (FNV-1a), so that adding a case leaves the others' numbers as they were.
    public init(name: String) {
        self.init(seed: name.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0100_0000_01b3 })
    }

    /// `count` values in `range`.
    public mutating func int32s(_ count: Int, in range: Range<Int>) -> [Int32] {
        (0..<count).map { _ in Int32(Int.random(in: range, using: &self)) }
    }

    /// `0..<count` in random order.
    public mutating func permutation(_ count: Int) -> [Int] { (0..<count).shuffled(using: &self) }

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
