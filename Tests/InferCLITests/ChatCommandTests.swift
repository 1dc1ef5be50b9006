import Foundation
import JSONCore
import TestSupport
import Testing

/// `infer chat` with messages and commands on standard input.
struct ChatCommandTests {
    private static let scripted = ReferenceMaterial.fixtures.appendingPathComponent("scripted").path
    private static let answer = "Let me see."

    private func chat(_ lines: [String], _ arguments: [String] = []) throws -> CommandLineTool.Result {
        try CommandLineTool.run(
            ["chat", "--model", ChatCommandTests.scripted, "--device", "cpu", "-t", "1", "--temperature", "0"]
                + arguments,
            input: Array((lines.joined(separator: "\n") + "\n").utf8))
    }

    private func count(_ text: String, in output: String) -> Int { output.components(separatedBy: text).count - 1 }

    @Test("Each line is answered; empty ones are passed over; /quit ends")
    func messages() throws {
        let result = try chat(["How is it?", "", "   ", "And now?", "/quit", "Never asked"])
        #expect(result.exitCode == 0, "\(result.errors)")
        #expect(count(ChatCommandTests.answer, in: result.output) == 2, "\(result.output)")
        #expect(!result.output.contains("\u{1B}"), "no styles where there is no terminal")
    }

    @Test("A line that is not UTF-8 is an error that names it")
    func brokenLine() throws {
        let result = try CommandLineTool.run(
            ["chat", "--model", ChatCommandTests.scripted, "--device", "cpu", "-t", "1", "--temperature", "0"],
            input: Array("How is it?\n".utf8) + [0x61, 0xFF, 0x0A])
        CommandLineTool.expectFailure(result, code: 1, naming: ["standard input, line 2", "UTF-8"], "chat")
        #expect(count(ChatCommandTests.answer, in: result.output) == 1)
    }

    @Test("/help lists every command, and what is none is told")
    func help() throws {
        let result = try chat(["/help", "/nonsense", "/regen"])
        #expect(result.exitCode == 0)
        for command in ["/clear", "/system", "/regen", "/save", "/load", "/quit"] {
            #expect(result.output.contains(command), "\(command)")
        }
        #expect(result.output.contains("/nonsense is no command"))
        #expect(result.output.contains("there is no message to answer"))
    }

    @Test("/regen answers again, and the conversation holds one answer")
    func regenerate() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let path = folder.file("saved.json").path
        let result = try chat(["How is it?", "/regen", "/save \(path)"])
        #expect(count(ChatCommandTests.answer, in: result.output) == 2)
        #expect(try saved(path).map(\.role) == ["user", "assistant"])
    }

    @Test("/system sets and removes the system prompt, /clear keeps it, /load brings a conversation back")
    func history() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let files = ["a", "b", "c", "d"].map { folder.file($0 + ".json").path }
        let result = try chat(
            [
                "/system Be brief.", "How is it?", "/save \(files[0])", "/clear", "/save \(files[1])", "/system",
                "/save \(files[2])", "/load \(files[0])", "And now?", "/save \(files[3])",
            ], ["--system", "Be long."])
        #expect(result.exitCode == 0, "\(result.errors)")
        #expect(try saved(files[0]).map(\.role) == ["system", "user", "assistant"])
        #expect(try saved(files[0]).first?.content == "Be brief.")
        #expect(try saved(files[1]).map(\.content) == ["Be brief."])
        #expect(try saved(files[2]).isEmpty)
        #expect(try saved(files[3]).map(\.role) == ["system", "user", "assistant", "user", "assistant"])
    }

    @Test("What a command cannot do is one line, and the conversation goes on")
    func errors() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try Data("{\"messages\": 7}".utf8).write(to: folder.file("broken.json"))
        let result = try chat([
            "/load /nonexistent/file", "/save /nonexistent/folder/file", "/save",
            "/load \(folder.file("broken.json").path)",
            "How is it?",
        ])
        #expect(result.exitCode == 0)
        #expect(result.errorLines.count == 4, "\(result.errors)")
        #expect(result.errorLines.first?.contains("/nonexistent/file") == true)
        #expect(count(ChatCommandTests.answer, in: result.output) == 1)
    }

    @Test("The bundled model, which has no chat template, answers in a play and says so once")
    func bundled() throws {
        let result = try CommandLineTool.run(
            ["chat", "--device", "cpu", "-t", "1", "--seed", "1", "--max-tokens", "40"],
            input: Array("Who goes there?\nAnd you?\n".utf8))
        #expect(result.exitCode == 0, "\(result.errors)")
        #expect(count("no chat template", in: result.errors) == 1, "\(result.errors)")
        #expect(!result.output.trimmingCharacters(in: .whitespacesAndNewlines).isEmpty)
        let strict = try CommandLineTool.run(["generate", "--chat", "--device", "cpu", "Hello"])
        CommandLineTool.expectFailure(
            strict, code: 1, naming: ["bundled model", "no chat template"], "generate --chat")
    }

    private func saved(_ path: String) throws -> [(role: String, content: String)] {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        return try JSONDocument(parsing: text).root.require("messages").requireArray().map {
            (try $0.requireString("role"), try $0.requireString("content"))
        }
    }
}
