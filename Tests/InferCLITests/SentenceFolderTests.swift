import Foundation
import JSONCore
import TestSupport
import Testing

/// Folders of `sentence-transformers` in less usual forms.
struct SentenceFolderTests {
    private func vectors(_ folder: TaskModelFolder, _ arguments: [String] = []) throws -> [[Double]] {
        let result = try CommandLineTool.run(
            ["embed", "--model", folder.path, "--device", "cpu", "--json"] + arguments + ["a text of words", "another"])
        try #require(result.exitCode == 0, "\(result.errors)")
        let root = try JSONDocument(parsing: result.outputBytes, source: "output").root
        return try root.requireArray().map { try $0.requireArray().map { try $0.requireDouble() } }
    }

    @Test func theFilesMaySayHowManyElementsAreKept() throws {
        let folder = try TaskModelFolder("embed-mean")
        defer { folder.remove() }
        let whole = try vectors(folder)
        func keep(_ count: String) throws {
            let text = "{\"truncate_dim\": \(count)}"
            try Data(text.utf8).write(to: folder.file("config_sentence_transformers.json"))
        }
        try keep("5")
        // As they are: sentence-transformers does not normalise them again.
        #expect(try vectors(folder) == whole.map { Array($0.prefix(5)) })
        #expect(try vectors(folder, ["--dimensions", "7"]).map(\.count) == [7, 7])
        for count in ["null", "4000"] {
            try keep(count)
            #expect(try vectors(folder) == whole)
        }
        try keep("0")
        let result = try CommandLineTool.run(["embed", "--model", folder.path, "--device", "cpu", "a"])
        #expect(result.exitCode == 1 && result.errorLines.count == 1 && result.errors.contains("'truncate_dim'"))
    }

    @Test func theModelMayLieInAFolderOfItsOwn() throws {
        let folder = try TaskModelFolder("embed-mean")
        defer { folder.remove() }
        try Data(#"{"prompts": {"query": "the "}}"#.utf8).write(to: folder.file("config_sentence_transformers.json"))
        let (whole, asked) = (try vectors(folder), try vectors(folder, ["--prompt-name", "query"]))
        let files = FileManager.default
        try files.createDirectory(at: folder.file("0_Transformer"), withIntermediateDirectories: true)
        for name in [
            "config.json", "model.safetensors", "sentence_bert_config.json", "tokenizer_config.json", "tokenizer.json",
        ] {
            try files.moveItem(at: folder.file(name), to: folder.file("0_Transformer/\(name)"))
        }
        let object = try JSONSerialization.jsonObject(with: Data(contentsOf: folder.file("modules.json")))
        var modules = try #require(object as? [[String: Any]])
        modules[0]["path"] = "0_Transformer"
        try JSONSerialization.data(withJSONObject: modules).write(to: folder.file("modules.json"))
        #expect(try vectors(folder) == whole)
        #expect(try vectors(folder, ["--prompt-name", "query"]) == asked)
        modules[0]["path"] = "1_Transformer"
        try JSONSerialization.data(withJSONObject: modules).write(to: folder.file("modules.json"))
        let result = try CommandLineTool.run(["embed", "--model", folder.path, "--device", "cpu", "a"])
        #expect(result.exitCode == 1 && result.errorLines.count == 1)
    }
}
