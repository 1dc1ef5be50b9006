import Foundation
import TestSupport
import Testing

/// `tokenize` and `detokenize` as scripts use them.
@Suite struct TokenizeTests {
    /// From the bundled model's `expected.json`, which another implementation wrote.
    private static let prompt = "To be, or not"
    private static let ids = [398, 305, 12, 528, 322]
    private static let llama = ReferenceMaterial.fixtures.appendingPathComponent("models/llama").path

    private func output(_ arguments: [String], input: String = "") throws -> String {
        let result = try CommandLineTool.run(arguments, input: Array(input.utf8))
        #expect(result.exitCode == 0, "\(arguments): \(result.errors)")
        return result.output
    }

    @Test func theBundledModelServesWithoutAModelFlag() throws {
        #expect(try output(["tokenize", "--json", Self.prompt]) == "[398,305,12,528,322]\n")
        #expect(try output(["tokenize", Self.prompt]) == "398 305 12 528 322\n")
        #expect(try output(["detokenize", "398,305,12,528,322"]) == Self.prompt)
    }

    @Test func standardInputIsTakenAsItIs() throws {
        let without = try output(["tokenize", "--json"], input: Self.prompt)
        let with = try output(["tokenize", "--json"], input: Self.prompt + "\n")
        #expect(without == "[398,305,12,528,322]\n")
        #expect(with != without)
        #expect(try output(["detokenize"], input: with) == Self.prompt + "\n")
        #expect(try output(["tokenize", "--json"]) == "[]\n")
    }

    @Test func specialTokensCanBeLeftOut() throws {
        let with = try output(["tokenize", "--json", "--model", Self.llama, "Hello"])
        let without = try output(["tokenize", "--json", "--no-special", "--model", Self.llama, "Hello"])
        #expect(with.hasPrefix("[1,"))
        #expect("[1," + without.dropFirst() == with)
        #expect(try output(["detokenize", "--model", Self.llama], input: with) == "Hello")
        #expect(try output(["detokenize", "--special", "--model", Self.llama], input: with).hasPrefix("<s>"))
    }

    @Test func jsonLinesGoThereAndBack() throws {
        let texts = ["", " ", "a\nb", "naïve café", "你好，世界", "👩‍👩‍👧 e\u{301}", "\u{0} nul", "tab\t\"quoted\" \\"]
        let encoder = JSONEncoder()
        let lines = try texts.map { String(decoding: try encoder.encode($0), as: UTF8.self) + "\n" }.joined()
        let ids = try output(["tokenize", "--jsonl"], input: lines)
        #expect(ids.split(separator: "\n", omittingEmptySubsequences: false).count == texts.count + 1)
        let back = try output(["detokenize", "--jsonl"], input: ids)
        let decoded = try back.split(separator: "\n").map {
            try JSONDecoder().decode(String.self, from: Data($0.utf8))
        }
        #expect(decoded == texts)
    }

    @Test func textThatIsNotUTF8IsRefused() throws {
        let result = try CommandLineTool.run(["tokenize"], input: Array("abc".utf8) + [0xC3, 0x28])
        CommandLineTool.expectFailure(result, code: 1, naming: ["standard input", "UTF-8", "byte 3"], "stdin")
        let argument = try CommandLineTool.shell("$INFER tokenize $'abc\\xff'")
        CommandLineTool.expectFailure(argument, code: 64, naming: ["argument 2", "UTF-8"], "argument")
    }

    @Test(arguments: [
        (["detokenize", "1,x"], ["'x'"]), (["detokenize", "--", "-4"], ["'-4'"]), (["detokenize", "[1,"], ["IDS"]),
        (["detokenize", "[1.5]"], ["IDS"]),
        (["detokenize", "99999999999999999999"], ["99999999999999999999"]),
        (["tokenize", "--jsonl", "plain"], ["TEXT"]),
        (["tokenize", "--jsonl", "7"], ["TEXT", "line 1"]),
        (["tokenize", "--model", "/no/such/folder", "x"], ["/no/such/folder"]),
        (["tokenize", "--model", "/dev/null", "x"], ["/dev/null"]),
    ]) func wrongInputIsNamed(arguments: [String], culprits: [String]) throws {
        let result = try CommandLineTool.run(arguments)
        CommandLineTool.expectFailure(result, code: 1, naming: culprits, "\(arguments)")
    }

    @Test func formatsExcludeEachOther() throws {
        let result = try CommandLineTool.run(["tokenize", "--json", "--jsonl", "x"])
        CommandLineTool.expectFailure(result, code: 64, naming: ["--json", "--jsonl"], "both formats")
    }
}
