/// A token that is found in text before anything else looks at it.
public struct AddedToken: Sendable, Equatable {
    public var id: Int
    public var content: String
    /// Found only where no word character stands beside it.
    public var isSingleWord: Bool
    /// Takes the whitespace before it too.
    public var stripsLeft: Bool
    /// Takes the whitespace after it too.
    public var stripsRight: Bool
    /// Searched for in normalized text (and normalized itself) rather than in the text as given.
    public var isNormalized: Bool
    /// A control token, which decoding can leave out and encoding can be told not to look for.
    public var isSpecial: Bool

    public init(
        id: Int, content: String, isSpecial: Bool = true, isNormalized: Bool = false, isSingleWord: Bool = false,
        stripsLeft: Bool = false, stripsRight: Bool = false
    ) {
        self.id = id
        self.content = content
        self.isSpecial = isSpecial
        self.isNormalized = isNormalized
        self.isSingleWord = isSingleWord
        self.stripsLeft = stripsLeft
        self.stripsRight = stripsRight
    }
}

/// Finds added tokens in text: at each place the longest, from left to right.
struct AddedTokenMatcher: Sendable {
    enum Piece: Equatable {
        case text(Range<Int>)
        /// An added token's id, and what it was found in.
        case token(Int, Range<Int>)
    }

    private let tokens: [AddedToken]
    private let trie: ByteTrie
    private let firstBytes: [Bool]

    /// - Parameter spellings: what to search for in place of each token's content.
    /// - Precondition: as many spellings as tokens.
    init(_ tokens: [AddedToken], spellings: [[UInt8]]) {
        self.tokens = tokens
        var trie = ByteTrie(capacity: spellings.reduce(64) { $0 + $1.count * 2 })
        var firstBytes = [Bool](repeating: false, count: 256)
        // Of tokens that are spelled the same, the first one counts.
        for (index, spelling) in spellings.enumerated().reversed() {
            guard let first = spelling.first else { continue }
            firstBytes[Int(first)] = true
            spelling.withUnsafeBufferPointer { trie.insert($0, value: UInt32(index)) }
        }
        self.trie = trie
        self.firstBytes = firstBytes
    }

    /// Calls `body` with the tokens found and the text between them. Empty text is left out.
    ///
    /// A token may start in the whitespace that the one before took. Both are found then, as in the reference library: the
    /// second one's range starts before the first one's ends, and what is left of the whitespace comes again as text.
    func forEachPiece(of text: ByteBuffer, findsSpecial: Bool, _ body: (Piece) throws -> Void) rethrows {
        var copied = 0
        var index = 0
        while index < text.count {
            guard firstBytes[Int(text[index])], let (length, token) = longestMatch(text, at: index) else {
                index += 1
                continue
            }
            var range = index..<index + length
            index = range.upperBound
            if token.isSpecial, !findsSpecial { continue }
            if token.isSingleWord, touchesWord(text, range) { continue }
            let end = token.stripsRight ? whitespaceEnd(text, after: range.upperBound) : range.upperBound
            let start =
                token.stripsLeft ? max(whitespaceStart(text, before: range.lowerBound), copied) : range.lowerBound
            range = min(start, end)..<end
            if copied < range.lowerBound { try body(.text(copied..<range.lowerBound)) }
            // Nothing is left of a token of whitespace that the one before took whole.
            if !range.isEmpty { try body(.token(token.id, range)) }
            copied = range.upperBound
        }
        if copied < text.count { try body(.text(copied..<text.count)) }
    }

    private func longestMatch(_ text: ByteBuffer, at index: Int) -> (length: Int, token: AddedToken)? {
        var found: (Int, UInt32)?
        trie.forEachPrefix(of: text, from: index) { found = ($0, $1) }
        return found.map { ($0.0, tokens[Int($0.1)]) }
    }

    private func touchesWord(_ text: ByteBuffer, _ range: Range<Int>) -> Bool {
        UnicodeClasses.withTable { table in
            if range.lowerBound > 0 {
                let previous = UTF8Text.previousStart(text, before: range.lowerBound)
                let scalar = UTF8Text.decode(text, at: previous).scalar
                if UnicodeClasses.of(scalar, table).contains(.word) { return true }
            }
            guard range.upperBound < text.count else { return false }
            return UnicodeClasses.of(UTF8Text.decode(text, at: range.upperBound).scalar, table).contains(.word)
        }
    }

    private func whitespaceStart(_ text: ByteBuffer, before index: Int) -> Int {
        var start = index
        while start > 0 {
            let previous = UTF8Text.previousStart(text, before: start)
            guard UnicodeClasses.isWhitespace(UTF8Text.decode(text, at: previous).scalar) else { break }
            start = previous
        }
        return start
    }

    private func whitespaceEnd(_ text: ByteBuffer, after index: Int) -> Int {
        var end = index
        while end < text.count {
            let (scalar, length) = UTF8Text.decode(text, at: end)
            guard UnicodeClasses.isWhitespace(scalar) else { break }
            end += length
        }
        return end
    }
}
