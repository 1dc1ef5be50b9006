/// Turns ids into text one at a time. The pieces joined are what ``Tokenizer/decode(_:skipSpecialTokens:)`` gives for
/// all ids, and none of them ends inside a character.
public struct StreamingDetokenizer: Sendable {
    private let tokenizer: Tokenizer
    private let skipsSpecialTokens: Bool
    private var stages: [any DecoderStage]

    init(tokenizer: Tokenizer, skipsSpecialTokens: Bool) {
        self.tokenizer = tokenizer
        self.skipsSpecialTokens = skipsSpecialTokens
        stages = tokenizer.decoder?.makeStages() ?? [JoinStage()]
    }

    /// Takes the next id and returns the text that is now certain, often the token's own, sometimes none.
    ///
    /// - Throws: ``TokenizationError/unknownID(id:vocabularySize:)``; the detokenizer goes on as if the id had not come.
    public mutating func push(_ id: Int) throws -> String {
        guard let token = tokenizer.tokenBytes(for: id) else {
            throw TokenizationError.unknownID(id: id, vocabularySize: tokenizer.vocabularySize)
        }
        if skipsSpecialTokens, tokenizer.isSpecial(id) { return "" }
        return try run([token], from: 0)
    }

    /// Returns what was held back: the rest of an unfinished character as U+FFFD, or a run of byte tokens.
    public mutating func finish() throws -> String {
        var text = ""
        for index in stages.indices {
            var output: [[UInt8]] = []
            try stages[index].finish(into: &output)
            text += try run(output, from: index + 1)
        }
        stages = tokenizer.decoder?.makeStages() ?? [JoinStage()]
        return text
    }

    private mutating func run(_ tokens: [[UInt8]], from firstStage: Int) throws -> String {
        var tokens = tokens
        for index in stages.indices.dropFirst(firstStage) where !tokens.isEmpty {
            var output: [[UInt8]] = []
            for token in tokens { try stages[index].push(token, into: &output) }
            tokens = output
        }
        return tokens.reduce(into: "") { $0 += String(decoding: $1, as: UTF8.self) }
    }
}
