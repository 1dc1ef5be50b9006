import Foundation
import JSONCore
import TestSupport
import Testing
import Tokenization

/// What a damaged or unknown `tokenizer.json` says. Each ends in one line that names the culprit.
@Suite struct BadInputTests {
    private static let bpe = #""model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]]}"#

    /// A text in place of `tokenizer.json`, and what its error must contain.
    static let cases: [(json: String, error: String)] = [
        ("", "t.json: invalid JSON at line 1, column 1 (byte 0): expected a value, found the end of the text"),
        ("{\(bpe)", "expected ',' or '}', found the end of the text"),
        ("[]", "t.json: the document must be an object, found an array"),
        ("{}", "t.json: missing key model"),
        (#"{"model":5}"#, "model must be an object, found 5"),
        (
            #"{"model":{"type":"Markov"}}"#,
            #"model: unknown model "Markov"; known are BPE, WordPiece, Unigram, WordLevel"#
        ),
        (#"{"model":{"type":"BPE","merges":[]}}"#, "missing key model.vocab"),
        (#"{"model":{"type":"BPE","vocab":{}}}"#, "missing key model.merges"),
        (#"{"model":{"type":"BPE","vocab":[],"merges":[]}}"#, "model.vocab must be an object, found an array"),
        (#"{"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}}"#, #"token "a" has id -1, which is not in 0..."#),
        (#"{"model":{"type":"BPE","vocab":{"a":4294967296},"merges":[]}}"#, #"token "a" has id 4294967296"#),
        (#"{"model":{"type":"BPE","vocab":{"a":1e2},"merges":[]}}"#, #"the id of "a" must be an integer"#),
        (
            #"{"model":{"type":"BPE","vocab":{"a":99999999999999999999},"merges":[]}}"#,
            #"the id of "a" must be an integer"#
        ),
        (#"{"model":{"type":"BPE","vocab":{"a":"0"},"merges":[]}}"#, #"the id of "a" must be an integer"#),
        (#"{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a","b"]]}}"#, #"merge 0: "b" is not in the vocabulary"#),
        (
            #"{"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":["a b"]}}"#,
            #"merge 0: "ab" is not in the vocabulary"#
        ),
        (
            #"{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b","ab"]}}"#,
            #"merge 1: "ab" is not two tokens"#
        ),
        (#"{"model":{"type":"BPE","vocab":{"a":0},"merges":["a a a"]}}"#, #"merge 0: "a a a" is not two tokens"#),
        (#"{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}}"#, "merge 0: it must be a pair of tokens"),
        (#"{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a",1]]}}"#, "merge 0: it must be a pair of tokens"),
        (#"{"model":{"type":"BPE","vocab":{"a":0},"merges":[7]}}"#, "merge 0: it must be a pair of tokens"),
        (
            #"{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a","a"]],"continuing_subword_prefix":"@@"}}"#,
            #"merge 0: "a" is shorter than the continuing subword prefix"#
        ),
        (
            #"{"model":{"type":"BPE","vocab":{"a":0},"merges":[],"fuse_unk":1}}"#,
            "model.fuse_unk must be true or false, found 1"
        ),
        (#"{"model":{"type":"Unigram","vocab":[["a"]]}}"#, "model.vocab[0] must be a token and its score"),
        (#"{"model":{"type":"Unigram","vocab":[[1,2]]}}"#, "model.vocab[0] must be a token and its score"),
        (#"{"model":{"type":"Unigram","vocab":[["a","x"]]}}"#, #"model.vocab[0][1] must be a number, found "x""#),
        (
            #"{"model":{"type":"Unigram","vocab":[["a",1e999]]}}"#,
            "model.vocab[0][1] is 1e999, which does not fit a double"
        ),
        (
            #"{"model":{"type":"Unigram","vocab":[["a",-1]],"unk_id":1}}"#,
            "unk_id is 1, which is not among the 1 tokens"
        ),
        (#"{"model":{"type":"Unigram","vocab":[["a",-1]],"unk_id":-1}}"#, "unk_id is -1"),
        (#"{"model":{"type":"WordLevel","vocab":{"a":0}}}"#, "missing key model.unk_token"),
        (
            #"{"model":{"type":"WordPiece","vocab":{"a":0},"max_input_chars_per_word":-1}}"#,
            "model.max_input_chars_per_word must be a count of 0 or more, found -1"
        ),
        (#"{\#(bpe),"normalizer":{"type":"NFX"}}"#, #"normalizer: unknown normalizer "NFX"; known are NFC"#),
        (#"{\#(bpe),"normalizer":{}}"#, "missing key normalizer.type"),
        (#"{\#(bpe),"normalizer":"NFC"}"#, #"normalizer must be an object, found "NFC""#),
        (#"{\#(bpe),"normalizer":{"type":"Prepend"}}"#, "missing key normalizer.prepend"),
        (
            #"{\#(bpe),"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Foo"}]}}"#,
            #"normalizer.normalizers[1]: unknown normalizer "Foo""#
        ),
        (
            #"{\#(bpe),"normalizer":{"type":"Precompiled","precompiled_charsmap":"%"}}"#,
            "precompiled_charsmap: not valid Base64"
        ),
        (
            #"{\#(bpe),"normalizer":{"type":"Precompiled","precompiled_charsmap":"AAA="}}"#,
            "2 bytes are too few for its header"
        ),
        (
            #"{\#(bpe),"normalizer":{"type":"Precompiled","precompiled_charsmap":"/////wAA"}}"#,
            "a trie of 4294967295 bytes does not fit the 2 bytes after the header"
        ),
        (
            #"{\#(bpe),"normalizer":{"type":"Precompiled","precompiled_charsmap":"BAAAAAAAAAD/"}}"#,
            "the replacements are not valid UTF-8"
        ),
        (
            #"{\#(bpe),"normalizer":{"type":"Replace","pattern":{"Regex":"(a"},"content":""}}"#,
            #"normalizer.pattern: pattern "(a" does not compile: missing closing parenthesis"#
        ),
        (
            #"{\#(bpe),"normalizer":{"type":"Replace","pattern":{},"content":""}}"#,
            "a pattern needs a String or a Regex"
        ),
        (#"{\#(bpe),"pre_tokenizer":{"type":"Magic"}}"#, #"pre_tokenizer: unknown pre-tokenizer "Magic""#),
        (
            #"{\#(bpe),"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[a"},"behavior":"Isolated"}}"#,
            #"pattern "[a" does not compile: missing terminating ] for character class at offset 0"#
        ),
        (
            #"{\#(bpe),"pre_tokenizer":{"type":"Split","pattern":{"String":"a"},"behavior":"Alone"}}"#,
            #"unknown split behavior "Alone"; known are Removed, Isolated"#
        ),
        (
            #"{\#(bpe),"pre_tokenizer":{"type":"Metaspace","replacement":"__"}}"#,
            #"replacement must be a single character, found "__""#
        ),
        (
            #"{\#(bpe),"pre_tokenizer":{"type":"Metaspace","replacement":"_","prepend_scheme":"maybe"}}"#,
            #"unknown prepend scheme "maybe""#
        ),
        (
            #"{\#(bpe),"pre_tokenizer":{"type":"Metaspace","replacement":"_","prepend_scheme":"first","#
                + #""add_prefix_space":false}}"#,
            #"add_prefix_space is false, but prepend_scheme is "first""#
        ),
        (#"{\#(bpe),"pre_tokenizer":{"type":"FixedLength","length":0}}"#, "length must be at least 1"),
        (#"{\#(bpe),"post_processor":{"type":"X"}}"#, #"post_processor: unknown post-processor "X""#),
        (
            #"{\#(bpe),"post_processor":{"type":"BertProcessing","sep":["a"],"cls":["b",1]}}"#,
            "post_processor.sep must be a token and its id"
        ),
        (
            #"{\#(bpe),"post_processor":{"type":"BertProcessing","sep":["a",-5],"cls":["b",1]}}"#,
            "post_processor.sep[1] must be a token id"
        ),
        (
            #"{\#(bpe),"post_processor":{"type":"TemplateProcessing","pair":[],"#
                + #""single":[{"SpecialToken":{"id":"<s>"}}]}}"#,
            #""<s>" is not among the special_tokens of the template"#
        ),
        (
            #"{\#(bpe),"post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"C"}}],"pair":[]}}"#,
            #"unknown sequence "C""#
        ),
        (
            #"{\#(bpe),"post_processor":{"type":"TemplateProcessing","single":[{}],"pair":[]}}"#,
            "must be a SpecialToken or a Sequence"
        ),
        (#"{\#(bpe),"decoder":{"type":"Y"}}"#, #"decoder: unknown decoder "Y"; known are ByteLevel"#),
        (
            #"{\#(bpe),"decoder":{"type":"Strip","content":"a","start":-1,"stop":0}}"#,
            "decoder.start must be a count of 0 or more"
        ),
        (#"{\#(bpe),"added_tokens":{}}"#, "added_tokens must be an array"),
        (#"{\#(bpe),"added_tokens":[{"content":"x"}]}"#, "missing key added_tokens[0].id"),
        (#"{\#(bpe),"added_tokens":[{"id":-1,"content":"x"}]}"#, "added_tokens[0].id must be a token id"),
        (#"{\#(bpe),"added_tokens":[{"id":3000000000,"content":"x"}]}"#, "added_tokens[0].id must be a token id"),
    ]

    @Test(arguments: cases.indices) func badFilesNameTheCulprit(_ index: Int) {
        let (json, expected) = Self.cases[index]
        #expect {
            try Tokenizer(json: Array(json.utf8), source: "t.json")
        } throws: { error in
            let text = "\(error)"
            return error is TokenizationError && text.hasPrefix("t.json: ") && text.contains(expected)
                && !text.contains("\n")
        }
    }

    @Test func invalidUTF8IsNamed() {
        let json = Array(#"{"model":{"type":"BPE","vocab":{""#.utf8) + [0xFF] + Array(#"":0},"merges":[]}}"#.utf8)
        #expect {
            try Tokenizer(json: json, source: "t.json")
        } throws: { "\($0)".contains("expected valid UTF-8, found byte 0xFF") }
    }

    @Test func oddButUsableFilesLoad() throws {
        // Ids out of order and with gaps, an added token that the model knows by another id, one whose id is not the next
        // free one, a token added twice.
        let json = #"""
            {"model":{"type":"WordLevel","vocab":{"c":9,"a":2,"b":0},"unk_token":"a"},
             "pre_tokenizer":{"type":"WhitespaceSplit"},"added_tokens":[{"id":7,"content":"c"},{"id":11,"content":"d"},
             {"id":12,"content":"d"},{"id":13,"content":""}]}
            """#
        let tokenizer = try Tokenizer(json: Array(json.utf8))
        #expect(tokenizer.vocabularySize == 11)
        #expect(try tokenizer.encode("b a c d x") == [0, 2, 9, 10, 2])
        #expect(tokenizer.token(for: 1) == nil)
        #expect(try tokenizer.decode([1]) == "")
    }

    @Test func missingAndUnreadableFilesAreNamed() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tokenizer-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("tokenizer.json")
        func failure() -> String {
            do {
                _ = try Tokenizer(folder: folder.path)
                return "no error"
            } catch {
                return "\(error)"
            }
        }
        #expect(failure() == "\(file.path): cannot be read: No such file or directory")
        try FileManager.default.createDirectory(at: file, withIntermediateDirectories: true)
        #expect(failure() == "\(file.path): cannot be read: it is not a regular file")
        try FileManager.default.removeItem(at: file)
        try Data("{".utf8).write(to: file)
        #expect(failure().hasPrefix("\(file.path): invalid JSON at line 1, column 2"))
        try Data(tinyTokenizerBytes("bytebpe")).write(to: file)
        #expect(failure() == "no error")
        try Data(#"{"bos_token":[]}"#.utf8).write(to: folder.appendingPathComponent("tokenizer_config.json"))
        #expect(failure() == "\(folder.path)/tokenizer_config.json: bos_token must be a string, found an array")
    }

    @Test func textThatTheVocabularyLacksIsNamed() throws {
        func failure(_ model: String) throws -> String {
            let tokenizer = try Tokenizer(json: Array(#"{"model":\#(model)}"#.utf8))
            do {
                return "\(try tokenizer.encode("az"))"
            } catch {
                return "\(error)"
            }
        }
        #expect(
            try failure(#"{"type":"Unigram","vocab":[["a",-1]]}"#)
                == #"the Unigram vocabulary cannot express "z" and has no unknown token"#)
        #expect(
            try failure(#"{"type":"WordPiece","vocab":{"a":0}}"#)
                == #"the WordPiece vocabulary cannot express "az" and has no unknown token"#)
        #expect(
            try failure(#"{"type":"BPE","vocab":{"a":0},"merges":[],"unk_token":"<u>"}"#)
                == #"the BPE vocabulary cannot express "z" and has no unknown token"#)
        // Without an unknown token BPE drops what it does not know, as the reference does.
        #expect(try failure(#"{"type":"BPE","vocab":{"a":0},"merges":[]}"#) == "[0]")
    }

    @Test(arguments: [#"(a+)+$"#, #"(a|aa)+\d"#, #"(?:(?:a*)*)*[bd]"#]) func costlyPatternsEnd(_ pattern: String) throws
    {
        let json = #"""
            {\#(Self.bpe),"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\#(
                pattern.replacingOccurrences(of: "\\", with: "\\\\"))"},"behavior":"Isolated"}}
            """#
        let tokenizer = try Tokenizer(json: Array(json.utf8))
        let elapsed = ContinuousClock().measure {
            #expect {
                try tokenizer.encode(String(repeating: "a", count: 50_000) + "c")
            } throws: { "\($0)".contains("is too costly on this text") }
        }
        #expect(elapsed < .seconds(40))
    }
}
