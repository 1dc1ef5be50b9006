import Foundation
import JSONCore
import Testing

/// `infer evaluate`, on the fixtures of the tasks: that data are read as people write them, and mistakes in them are named.
struct EvaluationCommandTests {
    private func run(
        _ task: String, _ model: String, data: String, name: String = "data.jsonl", _ arguments: [String] = ["--json"]
    ) throws -> CommandLineTool.Result {
        let folder = try TaskModelFolder(model)
        defer { folder.remove() }
        let files = try TemporaryFolder()
        defer { files.remove() }
        let path = files.file(name).path
        try Data(data.utf8).write(to: URL(fileURLWithPath: path))
        return try CommandLineTool.run(
            ["evaluate", task, "--model", folder.path, "--device", "cpu", "--data", path, "--resamples", "20"]
                + arguments)
    }

    private func json(_ result: CommandLineTool.Result) throws -> JSONValue {
        try #require(result.exitCode == 0, "\(result.errors)")
        return try JSONDocument(parsing: result.outputBytes, source: "output").root
    }

    /// The labels that the model itself gives are all right, however the file has them.
    @Test func classifiersAgreeWithThemselves() throws {
        let folder = try TaskModelFolder("sentiment")
        defer { folder.remove() }
        let texts = ["a fine film", "quite \"dull\", really", "the rest of it"]
        let labels = try texts.map { text in
            let answer = try CommandLineTool.run([
                "classify", "--model", folder.path, "--device", "cpu", "--json", text,
            ])
            let best = try JSONDocument(parsing: answer.outputBytes, source: "answer").root.requireArray().first { _ in
                true
            }
            return try #require(best).requireString("label")
        }
        func quoted(_ text: String) -> String { "\"" + text.replacingOccurrences(of: "\"", with: "\"\"") + "\"" }
        func line(_ text: String, _ label: String) throws -> String {
            var writer = JSONWriter()
            writer.beginObject()
            writer.member("text", text)
            writer.member("label", label)
            writer.endObject()
            return writer.text
        }
        let pairs = Array(zip(texts, labels))
        let lines = try pairs.map { try line($0.0, $0.1) }
        let files = [
            ("a.jsonl", lines.joined(separator: "\n")), ("a.json", "[" + lines.joined(separator: ",\n") + "]"),
            ("a.tsv", "sentence\tlabel\n" + pairs.map { "\($0.0)\t\($0.1)\n" }.joined()),
            ("a.csv", "id,text,label\r\n" + pairs.map { "1,\(quoted($0.0)),\($0.1)\r\n" }.joined()),
            ("b.csv", "ID, Review ,LABEL\n" + pairs.map { "1,\(quoted($0.0)),\($0.1)\n" }.joined()),
            ("c.csv", "Text,sentence,label\n" + pairs.map { "wrong,\(quoted($0.0)),\($0.1)\n" }.joined()),
        ]
        for (name, data) in files {
            let report = try json(run("classify", "sentiment", data: data, name: name))
            #expect(try report.requireDouble("accuracy") == 1 && report.requireInt("examples") == 3, "\(name)")
            let counts = try report.require("confusion_matrix").requireArray("counts")
            #expect(
                try counts.reduce(0) { sum, row in
                    try row.requireArray().reduce(sum) { try $0 + $1.requireInt() }
                } == 3)
        }
    }

    @Test func otherTasksReadTheirFiles() throws {
        let words = "EU NNP B-ORG\nrejects VBZ O\n\n-DOCSTART- -X- O\n\nPeter NNP B-PER\n"
        let tags = try json(run("tag", "ner", data: words, name: "a.conll"))
        #expect(try tags.requireInt("words") == 3 && tags.requireInt("examples") == 2)
        let squad = """
            {"version": "2", "data": [{"paragraphs": [{"context": "one two three four", "qas": [
            {"id": "1", "question": "what is two", "answers": [{"text": "two", "answer_start": 4}]},
            {"id": "2", "question": "who", "is_impossible": true, "answers": []}]}]}]}
            """
        let answers = try json(run("answer", "qa", data: squad, name: "a.json"))
        #expect(try answers.requireInt("examples") == 2 && answers.requireInt("no_answer") == 1)
        let ranks = try json(
            run("rerank", "rerank", data: #"{"query": "a", "positive": ["b"], "negative": ["c", "d"]}"#))
        #expect(try ranks.requireDouble("hit_rate") == 1 && ranks.requireInt("documents") == 3)
        let pairs = "sentence1\tsentence2\tscore\none\ttwo\t1\nthree\tfour\t2\nfive\tsix and more\t3\n"
        #expect(
            try json(run("embed", "embed-mean", data: pairs, name: "a.tsv")).requireDouble("spearman").magnitude <= 1)
    }

    @Test func theConfusionMatrixIsDrawn() throws {
        let files = try TemporaryFolder()
        defer { files.remove() }
        let path = files.file("matrix.svg").path
        _ = try json(
            run("classify", "sentiment", data: #"{"text": "a & b", "label": 0}"#, ["--json", "--confusion-svg", path]))
        let parser = XMLCheck(try Data(contentsOf: URL(fileURLWithPath: path)))
        #expect(parser.isWellFormed && parser.text.contains("<svg"))
    }

    @Test func quotesThatNothingClosesAreErrors() throws {
        let data = "label,text\nnegative,\"first\"\n0,\"a\nb\n1,c\n"
        let result = try run("classify", "sentiment", data: data, name: "data.csv")
        #expect(result.exitCode == 1 && result.errorLines.count == 1, "\(result.errors)")
        #expect(result.errors.contains("line 3: has a quote that nothing closes"), "\(result.errors)")
    }

    @Test func noAnswerIsSaid() throws {
        for member in [#""answers": []"#, #""answers": {"text": [], "answer_start": []}"#, #""is_impossible": true"#] {
            let data = #"{"question": "a", "context": "b c", \#(member)}"#
            let root = try json(run("answer", "qa", data: data))
            #expect(root["no_answer"]?.int == 1, "\(member)")
        }
    }

    @Test func whatHasNoValueIsUndefined() throws {
        let data = (0..<3).map { #"{"sentence1": "a", "sentence2": "b\#($0)", "score": 1}"# }.joined(separator: "\n")
        let table = try run("embed", "embed-mean", data: data, [])
        #expect(table.exitCode == 0 && table.output.contains("undefined") && !table.output.contains("nan"))
        let root = try json(run("embed", "embed-mean", data: data))
        #expect(root["spearman"]?.isNull == true)
    }

    @Test func mistakesAreNamed() throws {
        for (task, model, data, words) in [
            ("classify", "sentiment", #"{"text": "a", "label": "no such"}"#, ["line 1", "no such"]),
            ("classify", "sentiment", #"{"text": "a"}"#, ["label"]),
            ("classify", "sentiment", "{\"text\": \"a\", \"label\": 0}\n{oops", ["line 2"]),
            ("classify", "sentiment", "", ["names of columns"]), ("tag", "ner", "word\n", ["line 1", "tag"]),
            ("answer", "qa", #"{"question": "a"}"#, ["context"]),
            ("answer", "qa", #"{"question": "a", "context": "b"}"#, ["line 1", "answers"]),
            (
                "answer", "qa", #"{"data": [{"paragraphs": [{"context": "b", "qas": [{"question": "a"}]}]}]}"#,
                ["answers"]
            ),
            ("rerank", "rerank", #"{"query": "a", "documents": ["b"], "relevance": [1, 2]}"#, ["relevance"]),
            ("embed", "embed-mean", #"{"sentence1": "a", "sentence2": "b", "score": "x"}"#, ["score", "number"]),
            ("classify", "ner", #"{"text": "a", "label": 0}"#, ["infer tag"]),
        ] {
            let result = try run(task, model, data: data)
            #expect(result.exitCode == 1 && result.errorLines.count == 1, "\(result.errors)")
            for word in words { #expect(result.errors.contains(word), "\(result.errors)") }
        }
    }
}

/// Whether a text's tags close as they open.
private struct XMLCheck {
    let text: String

    init(_ data: Data) { text = String(decoding: data, as: UTF8.self) }

    var isWellFormed: Bool {
        var open: [Substring] = []
        for part in text.split(separator: "<").dropFirst(text.hasPrefix("<") ? 0 : 1) {
            guard let end = part.firstIndex(of: ">") else { return false }
            let tag = part[..<end]
            if tag.hasPrefix("/") {
                guard open.popLast() == tag.dropFirst() else { return false }
            } else if !tag.hasSuffix("/") {
                open.append(tag.prefix { $0 != " " })
            }
        }
        return open.isEmpty
    }
}
