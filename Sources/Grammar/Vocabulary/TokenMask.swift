/// Which tokens may come, a bit each.
package struct TokenMask: Sendable, Equatable {
    package private(set) var words: [UInt64]
    package let tokenCount: Int

    package init(tokenCount: Int) {
        self.tokenCount = tokenCount
        words = Array(repeating: 0, count: (tokenCount + 63) / 64)
    }

    package mutating func insert(_ token: Int32) {
        words[Int(token) >> 6] |= 1 << UInt64(token & 63)
    }

    mutating func remove(_ token: Int32) {
        words[Int(token) >> 6] &= ~(1 << UInt64(token & 63))
    }

    package mutating func formUnion(_ other: TokenMask) {
        for index in 0..<min(words.count, other.words.count) { words[index] |= other.words[index] }
    }

    package func contains(_ token: Int) -> Bool {
        token >= 0 && token < tokenCount && words[token >> 6] >> UInt64(token & 63) & 1 != 0
    }

    /// The tokens that may come, in order.
    package func tokens(below limit: Int) -> [Int32] {
        var result: [Int32] = []
        for (index, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                let token = index << 6 + rest.trailingZeroBitCount
                if token < limit { result.append(Int32(token)) }
                rest &= rest - 1
            }
        }
        return result
    }

    package var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }
    package var isEmpty: Bool { words.allSatisfy { $0 == 0 } }
}
