import TestSupport
import Testing
import Tokenization

@Suite struct StreamingTests {
    /// Random ids, so that characters are cut short and bytes are no text.
    @Test(arguments: tinyTokenizers) func piecesJoinToTheWhole(_ name: String) throws {
        let tokenizer = try tinyTokenizer(name)
        var generator = SplitMix64(seed: 7)
        for _ in 0..<500 {
            let count = Int.random(in: 0..<12, using: &generator)
            let ids = (0..<count).map { _ in Int.random(in: 0..<tokenizer.vocabularySize, using: &generator) }
            for skips in [true, false] {
                let whole = try tokenizer.decode(ids, skipSpecialTokens: skips)
                #expect(Array(try stream(ids, tokenizer, skipSpecialTokens: skips).joined().utf8) == Array(whole.utf8))
            }
        }
    }

    @Test(arguments: ["bytebpe", "llama3bpe", "spbpe"]) func charactersComeWhole(_ name: String) throws {
        let tokenizer = try tinyTokenizer(name)
        let text = "🦙é日本👩‍👩‍👧"
        let ids = try tokenizer.encode(text, addSpecialTokens: false)
        #expect(ids.count > text.unicodeScalars.count)
        let pieces = try stream(ids, tokenizer)
        #expect(pieces.joined() == text)
        #expect(pieces.allSatisfy { !$0.unicodeScalars.contains("\u{FFFD}") })
    }

    @Test func byteLevelTextComesAtOnce() throws {
        let tokenizer = try tinyTokenizer("bytebpe")
        let ids = try tokenizer.encode("Hi é!", addSpecialTokens: false)
        let pieces = try stream(ids, tokenizer)
        #expect(pieces.first == "H")
        #expect(pieces.last == "")
    }

    @Test func unfinishedCharactersFlush() throws {
        let tokenizer = try tinyTokenizer("bytebpe")
        let ids = try tokenizer.encode("🦙", addSpecialTokens: false)
        #expect(ids.count == 4)
        #expect(try stream(Array(ids.dropLast()), tokenizer) == ["", "", "", "\u{FFFD}"])
        // Two cut characters in a row are two replacements, the moment the second begins.
        #expect(try stream([ids[0], ids[1], ids[0], ids[1]], tokenizer) == ["", "", "\u{FFFD}", "", "\u{FFFD}"])
    }

    /// Bytes that are whole characters are the prompt's; only an unfinished character waits for what comes.
    @Test func settledTextDoesNotComeAgain() throws {
        let tokenizer = try tinyTokenizer("spbpe")
        func bytes(_ text: String) throws -> [Int] {
            try text.utf8.map { try #require(tokenizer.id(for: hexToken($0))) }
        }
        let word = try tokenizer.encode("To be", addSpecialTokens: false)
        let cases: [(before: [Int], after: [Int], expected: String)] = [
            (word + (try bytes("{\n")), word, " To be"), (try bytes("{}"), try bytes("é"), "é"),
            (Array(try bytes("{é").dropLast()), Array(try bytes("é").suffix(1)), "é"),
            (try bytes("{"), [try bytes("é")[0]], "\u{FFFD}"), (word, word, " To be"), ([], word, "To be"),
        ]
        for (before, after, expected) in cases {
            var detokenizer = tokenizer.makeDetokenizer()
            _ = try detokenizer.push(before)
            try detokenizer.settle()
            let text = try detokenizer.push(after) + detokenizer.finish()
            #expect(text == expected, "\(before) \(after)")
        }
    }

    private func hexToken(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return "<0x\(digits.count < 2 ? "0" : "")\(digits)>"
    }

    /// A decoder that holds back the last token, as it loses its suffix at the end.
    @Test func settledTextThatWasHeldBackDoesNotComeAgain() throws {
        let tokenizer = try Tokenizer(
            json: Array(
                #"""
                {"model":{"type":"WordLevel","vocab":{"a</w>":0,"b</w>":1,"?":2},"unk_token":"?"},
                 "decoder":{"type":"BPEDecoder","suffix":"</w>"}}
                """#.utf8))
        var detokenizer = tokenizer.makeDetokenizer()
        _ = try detokenizer.push([0, 1])
        try detokenizer.settle()
        #expect(try detokenizer.push([0, 1]) + detokenizer.finish() == " a b")
    }

    /// Models whose embedding has more rows than the vocabulary has tokens choose such ids.
    @Test func unknownIDsBecomeNothing() throws {
        let tokenizer = try tinyTokenizer("bytebpe")
        let ids = try tokenizer.encode("Hi é!", addSpecialTokens: false)
        for id in [-1, tokenizer.vocabularySize, .max, .min] {
            #expect(try tokenizer.decode([id]) == "")
            let mixed = ids.flatMap { [$0, id] }
            #expect(try tokenizer.decode(mixed) == "Hi é!")
            #expect(try stream(mixed, tokenizer).joined() == "Hi é!")
        }
    }
}
