import JSONCore
import Testing

@Suite struct JSONParsingTests {
    @Test func readsEveryKind() throws {
        let text = #"""
             {"null": null, "yes": true, "no": false, "int": -42, "real": 1.5e-3,
              "text": "a\"b\\\/\b\f\n\r\té\u00e9\ud83d\ude00",
              "list": [1, [], {}, "x"], "nested": {"a": {"b": [10, 20, 30]}}}
            """#
        let root = try JSONDocument(parsing: text).root
        #expect(root.kind == .object)
        #expect(root["null"]?.isNull == true)
        #expect(root["yes"]?.bool == true)
        #expect(root["no"]?.bool == false)
        #expect(root["int"]?.int == -42)
        #expect(root["real"]?.double == 0.0015)
        #expect(root["real"]?.int == nil)
        #expect(root["text"]?.string == "a\"b\\/\u{8}\u{C}\n\r\téé😀")
        #expect(root["list"]?.array?.count == 4)
        #expect(root["list"]?.array?.map(\.kind) == [.integer, .array, .object, .string])
        #expect(root["nested"]?["a"]?["b"]?.array?.compactMap(\.int) == [10, 20, 30])
        #expect(root.object?.map(\.key) == ["null", "yes", "no", "int", "real", "text", "list", "nested"])
        #expect(root["absent"] == nil)
    }

    @Test func keepsIntegersExact() throws {
        let root = try JSONDocument(
            parsing: "[9223372036854775807,-9223372036854775808,9223372036854775808,9007199254740993,-0,1.0,1e2]"
        ).root
        let values = try root.requireArray().map { $0 }
        #expect(values.map(\.int) == [.max, .min, nil, 9_007_199_254_740_993, 0, nil, nil])
        #expect(values.map(\.double) == [0x1p63, -0x1p63, 0x1p63, 0x1p53, 0, 1, 100])
        #expect(values.map { value in value.withCursor { $0.int } } == values.map(\.int))
    }

    @Test func lastDuplicateKeyWins() throws {
        let root = try JSONDocument(parsing: #"{"a":1,"b":2,"a":{"a":3},"\u0061":4}"#).root
        #expect(root["a"]?.int == 4)
        #expect(root.object?.count == 4)
    }

    @Test func nonFiniteWordsNeedTheOption() throws {
        let text = "[NaN, Infinity, -Infinity]"
        #expect(throws: JSONError.self) { try JSONDocument(parsing: text) }
        let root = try JSONDocument(parsing: text, options: .init(allowsNonFiniteNumbers: true)).root
        let values = try root.requireArray().map { try $0.requireDouble() }
        #expect(values[0].isNaN)
        #expect(values[1...] == [.infinity, -.infinity])
    }

    @Test func depthIsBounded() throws {
        let deepest = String(repeating: "[", count: 128) + String(repeating: "]", count: 128)
        _ = try JSONDocument(parsing: deepest)
        #expect(throws: JSONError.self) { try JSONDocument(parsing: "[\(deepest)]") }
        let bomb = [UInt8](repeating: UInt8(ascii: "["), count: 5_000_000)
        #expect(throws: JSONError.self) { try JSONDocument(parsing: bomb) }
    }

    /// Each text, where reading must stop, and what was expected there.
    static let refusedText: [(text: String, offset: Int, expected: String)] = [
        ("", 0, "a value"), ("  ", 2, "a value"), ("{", 1, "',' or '}'"), ("[", 1, "',' or ']'"),
        ("[1", 2, "',' or ']'"), ("[1,", 3, "a value"), ("[1,]", 3, "a value"), ("[,1]", 1, "a value"),
        ("[1 2]", 3, "',' or ']'"), ("{\"a\"}", 4, "':'"), ("{\"a\":}", 5, "a value"),
        ("{\"a\":1,}", 7, "a key in quotes"),
        ("{a:1}", 1, "a key in quotes"), ("{1:1}", 1, "a key in quotes"), ("[1}", 2, "',' or ']'"),
        ("{\"a\":1]", 6, "',' or '}'"), ("1 2", 2, "the end of the text"), ("{}x", 2, "the end of the text"),
        ("]", 0, "a value"), ("tru", 3, "'true'"), ("nulL", 3, "'null'"), ("True", 0, "a value"),
        ("01", 1, "no digit after a leading zero"), ("-", 1, "a digit"), ("+1", 0, "a value"), (".5", 0, "a value"),
        ("1.", 2, "a digit after '.'"), ("1.e3", 2, "a digit after '.'"), ("1e", 2, "a digit in the exponent"),
        ("1e+", 3, "a digit in the exponent"), ("0x10", 1, "the end of the text"), ("NaN", 0, "a value"),
        ("-Infinity", 1, "a digit"), ("\"abc", 4, "'\"' to end the string"),
        ("\"a\nb\"", 2, "an escape in place of a control character"),
        ("\"\\x\"", 2, "one of the escapes"), ("\"\\u12g4\"", 5, "four hexadecimal digits"),
        ("\"\\u12", 5, "four hexadecimal digits"),
        ("\"\\ud800\"", 7, "the escape of a trailing surrogate"),
        ("\"\\ud800\\u0041\"", 9, "a trailing surrogate (DC00 to DFFF)"),
        ("\"\\udc00\"", 3, "a leading surrogate before a trailing one"), ("'a'", 0, "a value"), ("// c", 0, "a value"),
    ]

    /// The same for bytes that no string holds.
    static let refusedBytes: [(text: [UInt8], offset: Int, expected: String)] = [
        ([0x22, 0xFF, 0x22], 1, "valid UTF-8"), ([0x22, 0xC0, 0x80, 0x22], 1, "valid UTF-8"),
        ([0x22, 0xED, 0xA0, 0x80, 0x22], 1, "valid UTF-8"), ([0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], 1, "valid UTF-8"),
        ([0x22, 0xE2, 0x82, 0x22], 1, "valid UTF-8"), ([0xEF, 0xBB, 0xBF, 0x31], 0, "a value"), ([0x00], 0, "a value"),
        ([0x5B, 0x0C, 0x5D], 1, "a value"),
    ]

    static let refused = refusedText.map { (Array($0.text.utf8), $0.offset, $0.expected) } + refusedBytes

    @Test(arguments: refused.indices) func refusesWithPlace(_ index: Int) throws {
        let (text, offset, expected) = Self.refused[index]
        #expect {
            try JSONDocument(parsing: text, source: "bad.json")
        } throws: { error in
            guard case .some(.syntax(_, let foundOffset, _, _, let foundExpected, _)) = error as? JSONError else {
                return false
            }
            return foundOffset == offset && foundExpected.hasPrefix(expected)
        }
    }

    @Test func errorsNameLineAndColumn() {
        #expect {
            try JSONDocument(parsing: "{\n \"a\": 1,\n \"b\": x\n}", source: "c.json")
        } throws: { error in
            "\(error)" == "c.json: invalid JSON at line 3, column 7 (byte 17): expected a value, found 'x'"
        }
    }

    @Test func requiredValuesNameTheirPath() throws {
        let root = try JSONDocument(
            parsing: #"{"model":{"vocab":[1,{"k":"v"}]},"big":1e999,"long":99999999999999999999}"#, source: "t.json"
        ).root
        func text(_ body: () throws -> Void) -> String {
            do {
                try body()
                return "no error"
            } catch {
                return "\(error)"
            }
        }
        #expect(text { _ = try root.require("none") } == "t.json: missing key none")
        #expect(text { _ = try root.require("model").requireInt("type") } == "t.json: missing key model.type")
        #expect(text { _ = try root.requireString("model") } == "t.json: model must be a string, found an object")
        let inner = try #require(try root.require("model").requireArray("vocab").map { $0 }.last)
        #expect(text { _ = try inner.requireInt("k") } == "t.json: model.vocab[1].k must be an integer, found \"v\"")
        #expect(
            text { _ = try inner.require("k").require("x") }
                == "t.json: model.vocab[1].k must be an object, found \"v\"")
        #expect(text { _ = try root.requireDouble("big") } == "t.json: big is 1e999, which does not fit a double")
        #expect(
            text { _ = try root.requireInt("long") }
                == "t.json: long is 99999999999999999999, which does not fit 64 bits")
        #expect(text { _ = try root.requireArray() } == "t.json: the document must be an array, found an object")
        #expect(try root.optionalString("none") == nil)
    }

    @Test("errors stay one line of bounded length, with its beginning and its end")
    func boundedErrors() {
        let name = "file\n" + String(repeating: "é", count: 10_000) + "\u{7} remedy"
        let text = JSONError.missingKey(source: name, path: "key").description
        #expect(text.hasPrefix("file\\n") && text.hasSuffix("missing key key") && text.contains("\\u{07} remedy"))
        #expect(text.unicodeScalars.count < 2_100 && !text.contains("\n"))
    }
}
