/// The tokens of a model as the bytes that they add to a text. Built once for each tokenizer: sorted, and divided so
/// that most tokens that may stand inside a JSON string need no look.
package final class TokenVocabulary: Sendable {
    package let tokenCount: Int
    /// Tokens that end a text.
    package let endTokens: Set<Int32>
    /// The bytes of each token; empty for those that add nothing.
    private let offsets: [Int32]
    private let bytes: [UInt8]
    let trie: TokenTrie
    /// Tokens that contain a quotation mark, a backslash, a control character or a part of a character.
    let specialTrie: TokenTrie
    /// Tokens of whole characters that need no escape in JSON.
    let plainTrie: TokenTrie
    let plainMask: TokenMask
    let stringTokens: StringTokens
    /// Tokens that add no bytes and do not end a text.
    let controlMask: TokenMask
    /// The spellings of control tokens, for triggers.
    private let controlSpellings: [Int32: [UInt8]]

    /// - Parameters:
    ///   - tokens: the bytes of each token by its id; empty for control tokens, and for ids that no token has.
    ///   - controlSpellings: of control tokens, which may stand in free text.
    package init(tokens: [[UInt8]], endTokens: Set<Int32>, controlSpellings: [Int32: [UInt8]] = [:]) {
        tokenCount = tokens.count
        self.endTokens = endTokens.filter { Int($0) < tokens.count && $0 >= 0 }
        self.controlSpellings = controlSpellings
        var offsets: [Int32] = [0]
        var all: [UInt8] = []
        var entries: [(token: Int32, bytes: [UInt8])] = []
        var special: [(token: Int32, bytes: [UInt8])] = []
        var control = TokenMask(tokenCount: tokens.count)
        var plain: [(token: Int32, bytes: [UInt8])] = []
        var plainMask = TokenMask(tokenCount: tokens.count)
        for (id, token) in tokens.enumerated() {
            let id = Int32(id)
            let isEnd = endTokens.contains(id)
            if !isEnd { all += token }
            offsets.append(Int32(all.count))
            if isEnd { continue }
            guard !token.isEmpty else {
                if controlSpellings[id] != nil { control.insert(id) }
                continue
            }
            entries.append((id, token))
            guard TokenVocabulary.isPlain(token) else {
                special.append((id, token))
                continue
            }
            plain.append((id, token))
            plainMask.insert(id)
        }
        self.offsets = offsets
        bytes = all
        trie = TokenTrie(entries)
        specialTrie = TokenTrie(special)
        plainTrie = TokenTrie(plain)
        self.plainMask = plainMask
        stringTokens = StringTokens(entries, tokenCount: tokens.count)
        controlMask = control
    }

    package func bytes(of token: Int32) -> ArraySlice<UInt8> {
        guard token >= 0, Int(token) < tokenCount else { return [] }
        return bytes[Int(offsets[Int(token)])..<Int(offsets[Int(token) + 1])]
    }

    func controlSpelling(of token: Int32) -> [UInt8]? { controlSpellings[token] }

    /// Whether a text is UTF-8 without characters that JSON strings must escape.
    private static func isPlain(_ bytes: [UInt8]) -> Bool {
        var state = JSONStringScanner.body
        for byte in bytes {
            if byte == 0x22 || byte == 0x5C { return false }
            guard let next = JSONStringScanner.step(state, byte) else { return false }
            state = next
        }
        return state == JSONStringScanner.body
    }

    /// A text as tokens, the longest that fits each time. `nil` where a byte has no token.
    package func longestMatches(_ text: [UInt8]) -> [Int32]? {
        var result: [Int32] = []
        var place = 0
        while place < text.count {
            guard let (token, length) = longestMatch(text[place...]) else { return nil }
            result.append(token)
            place += length
        }
        return result
    }

    private func longestMatch(_ text: ArraySlice<UInt8>) -> (Int32, Int)? {
        var best: (Int32, Int)?
        var (node, end, depth) = (0, trie.nodes.count, 0)
        while node < end, text.startIndex + depth < text.endIndex {
            let current = trie.nodes[node]
            guard current.byte == text[text.startIndex + depth] else {
                node = Int(current.end)
                continue
            }
            depth += 1
            if current.firstToken < current.lastToken { best = (trie.tokens[Int(current.firstToken)], depth) }
            end = Int(current.end)
            node += 1
        }
        return best
    }
}
