import Grammar
import JSONCore

/// A vocabulary of single bytes, and a token that ends a text.
let byteVocabulary = TokenVocabulary(tokens: (0..<256).map { [UInt8($0)] } + [[]], endTokens: [256])

extension Grammar {
    /// Whether a whole text is accepted, byte by byte.
    func accepts(_ text: String) throws -> Bool { try GrammarAutomaton(self, byteVocabulary).accepts(text) }
}

extension GrammarAutomaton {
    func accepts(_ text: String) throws -> Bool {
        var matcher = GrammarMatcher(self)
        let bytes = Array(text.utf8)
        return try matcher.accept(bytes: bytes) == bytes.count && matcher.isComplete
    }
}
