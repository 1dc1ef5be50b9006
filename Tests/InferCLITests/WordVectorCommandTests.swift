import Foundation
import JSONCore
import Testing

/// Word vectors and heads fit on them, on the command line.
@Suite("Word vectors on the command line")
struct WordVectorCommandTests {
    private static let vectors = """
        king 1 1 0.1
        queen 1 -1 0.1
        man 0.1 1 0
        woman 0.1 -1 0
        good 0.2 0 1
        fine 0.1 0 0.9
        bad 0.2 0.1 -1
        awful 0 0 -0.9

        """

    private func folder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try Data(WordVectorCommandTests.vectors.utf8).write(to: folder.file("v.txt"))
        return folder
    }

    private func json(_ arguments: [String]) throws -> JSONValue {
        let result = try CommandLineTool.run(arguments)
        #expect(result.exitCode == 0, "\(result.errors)")
        return try JSONDocument(parsing: result.outputBytes, source: "output").root
    }

    private func elements(_ value: JSONValue?) -> [JSONValue] { value?.array.map(Array.init) ?? [] }

    @Test("Vectors of texts, neighbours and analogies")
    func embed() throws {
        let folder = try folder()
        defer { folder.remove() }
        let model = ["--model", folder.file("v.txt").path, "--json"]
        let vectors = elements(try json(["embed", "King and queen", "unknown"] + model))
        #expect(vectors.map { elements($0).map(\.double) } == [[1, 0, 0.1], [0, 0, 0]])
        let near = elements(try json(["embed", "--neighbours", "good", "--top-k", "2"] + model))
        #expect(near.map { $0["word"]?.string } == ["fine", "king"] || near.first?["word"]?.string == "fine")
        let queen = elements(try json(["embed", "--analogy", "man", "king", "woman", "--top-k", "1"] + model))
        #expect(queen.map { $0["word"]?.string } == ["queen"])
        for (arguments, code) in [
            (["--neighbours", "duck"], Int32(1)), (["--analogy", "a", "b"], 64),
            (["text", "--neighbours", "king"], 64),
            (["text", "--outputs", "sparse"], 1), (["--neighbours", "king", "--top-k", "0"], 64),
        ] {
            let result = try CommandLineTool.run(["embed"] + arguments + model)
            #expect(result.exitCode == code && result.errorLines.count == 1, "\(arguments) \(result.errors)")
        }
        let bundled = try CommandLineTool.run(["embed", "--neighbours", "king"])
        #expect(bundled.exitCode == 1 && bundled.errors.contains("--neighbours"), "\(bundled.errors)")
    }

    @Test("A head is fit, saved, used and measured")
    func fit() throws {
        let folder = try folder()
        defer { folder.remove() }
        let examples = [
            ("good king", 1), ("a fine man", 1), ("good queen", 1), ("bad king", 0), ("awful man", 0), ("bad woman", 0),
        ]
        let table = "sentence\tlabel\n" + examples.map { "\($0.0)\t\($0.1)\n" }.joined()
        try Data(table.utf8).write(to: folder.file("train.tsv"))
        let head = folder.file("head.safetensors").path
        let model = ["--model", folder.file("v.txt").path]
        let data = ["--data", folder.file("train.tsv").path]
        let report = try json(
            ["fit", "--head", head, "--labels", "negative,positive", "--c", "10", "--json"] + data + model)
        #expect(report["accuracy"]?.double == 1 && report["dimensions"]?.int == 3 && report["examples"]?.int == 6)
        let label = elements(try json(["classify", "a fine queen", "--head", head, "--json"] + model)).first
        #expect(label?["label"]?.string == "positive" && (label?["score"]?.double ?? 0) > 0.8)
        let measured = try json(["evaluate", "classify", "--head", head, "--json"] + data + model)
        #expect(measured["accuracy"]?.double == 1)

        let line = try json(
            ["fit", "--head", head, "--regression", "linear", "--alpha", "0.1", "--json"] + data + model)
        #expect((line["r2"]?.double ?? 0) > 0.9)
        let score = elements(try json(["classify", "good woman", "--head", head, "--json"] + model)).first
        #expect(score?["label"]?.string == "score" && (score?["score"]?.double ?? 0) > 0.6)
        for (arguments, code) in [
            (["fit", "--head", head] + data, Int32(64)), (["fit", "--head", head, "--c", "0"] + data + model, 64),
            (["fit", "--head", head, "--labels", "a,a"] + data + model, 64),
            (["fit", "--head", head, "--label-field", "none"] + data + model, 1),
            (["fit", "--head", folder.file("missing/head").path] + data + model, 1),
            (["fit", "--head", head, "--labels", "only"] + data + model, 1), (["classify", "a"] + model, 1),
        ] {
            let result = try CommandLineTool.run(arguments)
            #expect(result.exitCode == code && result.errorLines.count == 1, "\(arguments) \(result.errors)")
        }
    }

    @Test("A collection by word vectors is found by meaning")
    func index() throws {
        let folder = try folder()
        defer { folder.remove() }
        let lines = [#"{"id":"praise","text":"a good thing"}"#, #"{"id":"blame","text":"an awful thing"}"#]
        try Data(lines.joined(separator: "\n").utf8).write(to: folder.file("d.jsonl"))
        let collection = ["-c", folder.file("c.db").path]
        _ = try json(
            ["index", "--jsonl", folder.file("d.jsonl").path, "--model", folder.file("v.txt").path, "--json"]
                + collection)
        let found = elements(try json(["search", "fine", "--mode", "dense", "--json"] + collection))
        #expect(found.map { $0["id"]?.string } == ["praise", "blame"])
        // Other vectors under the same name are refused.
        try Data("good 1 2 3\n".utf8).write(to: folder.file("v.txt"))
        let other = try CommandLineTool.run(["search", "fine", "--mode", "dense"] + collection)
        #expect(other.exitCode == 1 && other.errorLines.count == 1, "\(other.errors)")
    }
}
