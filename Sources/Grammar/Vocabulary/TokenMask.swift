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

    package mutating func formUnion(_ other: TokenMask) {
        for index in 0..<min(words.count, other.words.count) { words[index] |= other.words[index] }
    }

    package func contains(_ token: Int) -> Bool {
        token >= 0 && token < tokenCount && words[token >> 6] >> UInt64(token & 63) & 1 != 0
    }

    package var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }
    package var isEmpty: Bool { words.allSatisfy { $0 == 0 } }
}
