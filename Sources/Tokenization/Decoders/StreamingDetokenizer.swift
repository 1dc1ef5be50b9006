/// Turns ids into text one at a time. The pieces joined are what ``Tokenizer/decode(_:skipSpecialTokens:)`` gives for
/// all ids, and none of them ends inside a character.
public struct StreamingDetokenizer: Sendable {
    private let tokenizer: Tokenizer
    private let skipsSpecialTokens: Bool
    private var stages: [any DecoderStage]
    /// What is held back of text that was settled: it is not returned when it comes.
    private var settled: ArraySlice<UInt8> = []

    init(tokenizer: Tokenizer, skipsSpecialTokens: Bool) {
        self.tokenizer = tokenizer
        self.skipsSpecialTokens = skipsSpecialTokens
        stages = tokenizer.decoder?.makeStages() ?? [JoinStage()]
    }

    /// Takes the next id and returns the text that is now certain, often the token's own, sometimes none. An id that no
    /// token has is left out, as the reference does.
    ///
    /// - Throws: ``TokenizationError/patternTooCostly(pattern:reason:)``.
    public mutating func push(_ id: Int) throws -> String {
        try push(CollectionOfOne(id))
    }

    /// Takes several ids.
    ///
    /// - Throws: as ``push(_:)-(Int)``.
    public mutating func push(_ ids: some Sequence<Int>) throws -> String {
        var tokens: [[UInt8]] = []
        for id in ids {
            guard let token = tokenizer.tokenBytes(for: id), !(skipsSpecialTokens && tokenizer.isSpecial(id)) else {
                continue
            }
            tokens.append(token)
        }
        var text: [UInt8] = []
        try run(tokens, from: 0, into: &text)
        return unsettled(text)
    }

    /// Takes all text so far for another's, such as that of a prompt: nothing of it is returned later, but for a
    /// character that only comes to its end with further ids.
    ///
    /// - Throws: as ``push(_:)-(Int)``.
    public mutating func settle() throws {
        var text: [UInt8] = []
        for index in stages.indices {
            var output: [[UInt8]] = []
            stages[index].settle(into: &output)
            try run(output, from: index + 1, into: &text)
        }
        var ended = self
        var held = Array(try ended.finish().utf8)[...]
        let unfinished = Array("\u{FFFD}".utf8)
        while held.count >= unfinished.count, held.suffix(unfinished.count).elementsEqual(unfinished) {
            held.removeLast(unfinished.count)
        }
        settled = held
    }

    /// The text without what of it was settled. Where it goes on otherwise, later ids have changed it.
    private mutating func unsettled(_ text: [UInt8]) -> String {
        var text = text[...]
        while let byte = text.first, let expected = settled.popFirst() {
            guard byte == expected else {
                settled = []
                break
            }
            text.removeFirst()
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Returns what was held back: the rest of an unfinished character as U+FFFD, or a run of byte tokens.
    public mutating func finish() throws -> String {
        var text: [UInt8] = []
        for index in stages.indices {
            var output: [[UInt8]] = []
            try stages[index].finish(into: &output)
            try run(output, from: index + 1, into: &text)
        }
        stages = tokenizer.decoder?.makeStages() ?? [JoinStage()]
        defer { settled = [] }
        return unsettled(text)
    }

    private mutating func run(_ tokens: [[UInt8]], from firstStage: Int, into text: inout [UInt8]) throws {
        var tokens = tokens
        for index in stages.indices.dropFirst(firstStage) where !tokens.isEmpty {
            var output: [[UInt8]] = []
            output.reserveCapacity(tokens.count)
            for token in tokens { try stages[index].push(token, into: &output) }
            tokens = output
        }
        for token in tokens { text.append(contentsOf: token) }
    }
}
