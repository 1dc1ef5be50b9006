import Foundation
import JSONCore
import TestSupport
import Testing
import Tokenization

/// Tokens that know where they came from, against `tokenizers` (Tools/make_offset_cases.py).
struct OffsetTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let tokenizer: String
        let text: String
        let pair: String?
        let truncation: Truncation?
        let stride: Int?
        /// `nil`: an error.
        let windows: [TokenizedText]?

        var testDescription: String { "\(tokenizer): \(text.prefix(30)) \(pair?.prefix(10) ?? "")" }

        init(_ value: JSONValue) throws {
            tokenizer = try value.requireString("tokenizer")
            text = try value.requireString("text")
            pair = try value.optionalString("pair")
            let strategy = try value.optionalString("strategy")
            truncation = try value.optionalInt("maximum").map {
                Truncation(maximumLength: $0, strategy: strategy == "only_second" ? .onlySecond : .longestFirst)
            }
            stride = try value.optionalInt("stride").flatMap { $0 > 0 ? $0 : nil }
            windows = try value.optionalArray("windows")?.map { try Case.window($0) }
        }

        private static func window(_ value: JSONValue) throws -> TokenizedText {
            var window = TokenizedText()
            window.ids = try value.requireArray("ids").map { try $0.requireInt() }
            window.typeIDs = try value.requireArray("type_ids").map { try $0.requireInt() }
            window.offsets = try value.requireArray("offsets").map {
                let pair = try $0.requireArray().map { try $0.requireInt() }
                return pair[0]..<pair[1]
            }
            window.wordIDs = try value.requireArray("words").map { $0.int }
            window.sequenceIDs = try value.requireArray("sequences").map { $0.int }
            return window
        }
    }

    static func cases() throws -> [Case] {
        let url = ReferenceMaterial.fixtures.appendingPathComponent("tokenizers/offsets.json")
        return try JSONDocument(parsing: Array(try Data(contentsOf: url)), source: url.path).root
            .requireArray("cases").map { try Case($0) }
    }

    @Test(arguments: try cases()) func matchesTheReference(_ example: Case) throws {
        let tokenizer = try tinyTokenizer(example.tokenizer)
        func windows() throws -> [TokenizedText] {
            try tokenizer.encodeWithOffsets(
                example.text, pair: example.pair, truncation: example.truncation, stride: example.stride)
        }
        guard let expected = example.windows else {
            #expect(throws: TokenizationError.self) { try windows() }
            return
        }
        let actual = try windows()
        #expect(actual.map(\.ids) == expected.map(\.ids))
        // Where a template gives a pair's second text type 0, the library leaves later windows at type 1; ours agree with
        // the first.
        let hasTypes = expected.first.map { $0.typeIDs.contains(1) } ?? false
        let compared = hasTypes ? expected.count : min(expected.count, 1)
        #expect(actual.prefix(compared).map(\.typeIDs) == expected.prefix(compared).map(\.typeIDs))
        #expect(actual.map(\.offsets) == expected.map(\.offsets))
        #expect(actual.map(\.wordIDs) == expected.map(\.wordIDs))
        #expect(actual.map(\.sequenceIDs) == expected.map(\.sequenceIDs))
        // The way without offsets gives the same tokens.
        if let truncation = example.truncation, example.stride == nil {
            let (encoding, _) = try tokenizer.encode(example.text, pair: example.pair, truncation: truncation)
            #expect(encoding.ids == expected[0].ids)
            #expect(encoding.typeIDs == expected[0].typeIDs)
        }
    }

    @Test func tokensWithOffsetsAreTheTokensWithout() throws {
        let characters = Array("abc dé\u{301}漢🙂 \n\t<s>[MASK]▁.,ﬁŋ".unicodeScalars)
        var random = SplitMix64(seed: 7)
        for name in tinyTokenizers {
            let tokenizer = try tinyTokenizer(name)
            for _ in 0..<200 {
                let count = Int(random.next() % 40)
                let text = String(
                    String.UnicodeScalarView(
                        (0..<count).map { _ in characters[Int(random.next() % UInt64(characters.count))] }))
                let tokens = try tokenizer.encodeWithOffsets(text)[0]
                #expect(tokens.ids == (try tokenizer.encode(text)), "\(name) \(text.debugDescription)")
                let scalarCount = text.unicodeScalars.count
                #expect(tokens.offsets.allSatisfy { $0.upperBound <= scalarCount })
            }
        }
    }

    /// A token that begins in the whitespace that the one before took: both are there, as in `tokenizers`, and what is left
    /// of the whitespace is text again.
    @Test(arguments: [
        ("é<r>\n\na", [4, 10, 11, 0], [0..<1, 1..<6, 4..<6, 6..<7]),
        (
            "é<r> \n\n \n a", [4, 10, 11, 2, 3, 2, 0],
            [0..<1, 1..<10, 5..<7, 7..<8, 8..<9, 9..<10, 10..<11]
        ),
        ("<r>\t a", [10, 0], [0..<5, 5..<6]),
        ("\t\t a", [12, 0], [0..<3, 3..<4]),
        ("<r> <x>b", [10, 13, 1], [0..<4, 3..<7, 7..<8]),
        ("a<r> \n\n\n\n b", [0, 10, 11, 11, 2, 1], [0..<1, 1..<10, 5..<7, 7..<9, 9..<10, 10..<11]),
        ("é<r> \t \n\n b", [4, 10, 11, 2, 1], [0..<1, 1..<10, 7..<9, 9..<10, 10..<11]),
    ])
    func addedTokensInStrippedWhitespace(_ text: String, _ ids: [Int], _ offsets: [Range<Int>]) throws {
        let json = #"""
            {"added_tokens": [
              {"id": 10, "content": "<r>", "rstrip": true, "normalized": false, "special": true},
              {"id": 11, "content": "\n\n", "normalized": false, "special": false},
              {"id": 12, "content": "\t", "lstrip": true, "rstrip": true, "normalized": false, "special": false},
              {"id": 13, "content": " <x>", "normalized": false, "special": false}],
             "model": {"type": "BPE", "merges": [], "vocab":
               {"a": 0, "b": 1, " ": 2, "\n": 3, "é": 4, "c": 5, "d": 6, "e": 7, "f": 8, "g": 9}}}
            """#
        let tokenizer = try Tokenizer(json: Array(json.utf8))
        #expect(try tokenizer.encode(text) == ids)
        let windows = try tokenizer.encodeWithOffsets(text)
        #expect(windows.map(\.ids) == [ids])
        #expect(windows.map(\.offsets) == [offsets])
    }
}
