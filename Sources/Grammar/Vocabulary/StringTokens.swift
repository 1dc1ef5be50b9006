/// The tokens of a vocabulary by their effect inside a JSON string: those that stay in it, and those that close it.
struct StringTokens: Sendable {
    /// Tokens with up to so many characters are grouped by their number of characters; longer ones are looked at one by
    /// one.
    static let countLimit = 32

    /// Tokens that stay inside the string, by the most characters that they may begin; the last entry holds all.
    private let insideMasks: [TokenMask]
    /// Tokens of more than `countLimit` characters, with their counts.
    private let longTokens: [(token: Int32, count: Int32)]
    /// Tokens that end with the quotation mark, with the characters before it.
    private let closing: [(token: Int32, count: Int32)]
    /// The bytes behind the quotation mark, for tokens that continue after it.
    let suffixes: TokenTrie
    /// The number of characters before the quotation mark, for each of them.
    private let suffixCounts: [Int32: Int32]

    /// - Parameter entries: tokens with their bytes.
    init(_ entries: [(token: Int32, bytes: [UInt8])], tokenCount: Int) {
        var byCount = Array(repeating: [Int32](), count: StringTokens.countLimit + 2)
        var long: [(token: Int32, count: Int32)] = []
        var closing: [(token: Int32, count: Int32)] = []
        var suffixes: [(token: Int32, bytes: [UInt8])] = []
        var counts: [Int32: Int32] = [:]
        for (token, bytes) in entries {
            guard let (count, closedAt) = StringTokens.read(bytes) else { continue }
            if let closedAt {
                if closedAt == bytes.count {
                    closing.append((token, count))
                } else {
                    suffixes.append((token, Array(bytes[closedAt...])))
                    counts[token] = count
                }
            } else {
                byCount[min(Int(count), StringTokens.countLimit + 1)].append(token)
                if count > StringTokens.countLimit { long.append((token, count)) }
            }
        }
        var mask = TokenMask(tokenCount: tokenCount)
        insideMasks = byCount.map { tokens in
            for token in tokens { mask.insert(token) }
            return mask
        }
        longTokens = long
        self.closing = closing
        self.suffixes = TokenTrie(suffixes)
        suffixCounts = counts
    }

    /// The number of characters that a token begins inside a string, and the place at which it closes the string.
    /// - Returns: nil where the token cannot stand there.
    private static func read(_ bytes: [UInt8]) -> (count: Int32, closedAt: Int?)? {
        var state = JSONStringScanner.body
        var count: Int32 = 0
        for (index, byte) in bytes.enumerated() {
            guard let next = JSONStringScanner.step(state, byte) else { return nil }
            if next == JSONStringScanner.end { return (count, index + 1) }
            if state == JSONStringScanner.body { count += 1 }
            state = next
        }
        return (count, nil)
    }

    /// The tokens that stay inside a string with room for so many characters, and those that close it where it needs at
    /// least so many more.
    func mask(capacity: Int32, needed: Int32) -> TokenMask {
        var mask = insideMasks[min(Int(capacity), StringTokens.countLimit)]
        if Int(capacity) > StringTokens.countLimit {
            if capacity == .max {
                mask = insideMasks[StringTokens.countLimit + 1]
            } else {
                for (token, count) in longTokens where count <= capacity { mask.insert(token) }
            }
        }
        for (token, count) in closing where count >= needed && count <= capacity { mask.insert(token) }
        return mask
    }

    /// Whether a token that continues behind the quotation mark has closed a string correctly.
    func closes(_ token: Int32, capacity: Int32, needed: Int32) -> Bool {
        guard let count = suffixCounts[token] else { return false }
        return count >= needed && count <= capacity
    }
}
