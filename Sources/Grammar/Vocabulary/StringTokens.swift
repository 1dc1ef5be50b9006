/// The tokens of a vocabulary by what they do inside of a JSON string: those that stay in it, and those that close it.
struct StringTokens: Sendable {
    /// Characters of most tokens; for longer ones the count is looked at.
    static let countLimit = 32

    /// Tokens that stay inside, by the most characters they may begin; the last one holds all.
    private let insideMasks: [TokenMask]
    /// Tokens of more than `countLimit` characters, with their counts.
    private let longTokens: [(token: Int32, count: Int32)]
    /// Tokens that end with the quotation mark, with the characters before it.
    private let closing: [(token: Int32, count: Int32)]
    /// Of tokens that go on behind the quotation mark, what stands there.
    let suffixes: TokenTrie
    /// Of each of them, the characters before the quotation mark.
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

    /// The characters that a token begins inside of a string, and where it has closed it.
    /// - Returns: nil where it can not stand there.
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

    /// The tokens that stay inside of a string which has room for so many characters, and those that close it where it
    /// needs at least so many more.
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

    /// Whether a token that goes on behind the quotation mark closes the string rightly.
    func closes(_ token: Int32, capacity: Int32, needed: Int32) -> Bool {
        guard let count = suffixCounts[token] else { return false }
        return count >= needed && count <= capacity
    }
}
