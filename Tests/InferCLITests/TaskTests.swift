import Foundation
import JSONCore
import TestSupport
import Testing

/// The commands over texts against `transformers`.
struct TaskTests {
    private static let commands: Set<String> = [
        "fill-mask", "classify", "tag", "answer", "embed", "rerank", "translate", "generate",
    ]

    /// Whether there is a device for `--device opencl`.
    private static let hasOpenCL = (try? CommandLineTool.run(["devices"]).output.contains("opencl:0")) ?? false

    static func cases() throws -> [TaskCase] {
        try TaskCase.all().filter { commands.contains($0.command) }
    }

    @Test(arguments: try cases(), ["cpu", "opencl"]) func answersAsTheReference(_ example: TaskCase, device: String)
        throws
    {
        guard device == "cpu" || TaskTests.hasOpenCL else { return print("TaskTests: not run: no OpenCL device") }
        let result = try example.withModel { model in
            try CommandLineTool.run(
                [example.command, "--model", model, "--device", device, "--json"] + example.arguments)
        }
        try #require(result.exitCode == 0, "\(result.errors)")
        let answer = try example.answer(result.outputBytes)
        let tolerance = example.command == "embed" ? 1e-5 : 1e-4
        #expect(answer.difference(from: example.expected, tolerance: tolerance) == nil)
    }

    private func run(
        _ model: String, _ arguments: [String], input: String = "", edit: (TaskModelFolder) throws -> Void = { _ in }
    ) throws -> CommandLineTool.Result {
        let folder = try TaskModelFolder(model)
        defer { folder.remove() }
        try edit(folder)
        return try CommandLineTool.run(
            [arguments[0], "--model", folder.path, "--device", "cpu"] + arguments.dropFirst(), input: Array(input.utf8))
    }

    private func expectOneLine(_ result: CommandLineTool.Result, naming words: String..., exitCode: Int32 = 1) {
        #expect(result.exitCode == exitCode)
        #expect(!result.wasKilled)
        #expect(result.errorLines.count == 1, "\(result.errors)")
        for word in words { #expect(result.errors.contains(word), "\(result.errors)") }
    }

    // MARK: Lines

    @Test func linesStreamAsTheTextsByThemselves() throws {
        let texts = (0..<40).map { "the text \($0) " + String(repeating: "of words ", count: $0 % 7) }
        let lines = try run("sentiment", ["classify", "--json"], input: texts.joined(separator: "\n") + "\n")
        let values = lines.output.split(separator: "\n").map(String.init)
        try #require(values.count == texts.count)
        for index in [0, 13, 39] {
            let alone = try run("sentiment", ["classify", "--json", texts[index]])
            let expected = try JSONDocument(parsing: alone.outputBytes, source: "alone").root
            let actual = try JSONDocument(parsing: values[index], source: "line").root
            #expect(actual.difference(from: expected, tolerance: 1e-6) == nil)
        }
    }

    @Test func embeddingsOfLinesAreOneArray() throws {
        let result = try run("embed-mean", ["embed", "--json", "--lines", "-"], input: "one\ntwo words\n")
        let vectors = try JSONDocument(parsing: result.outputBytes, source: "output").root.requireArray()
        #expect(vectors.count == 2)
        for vector in vectors {
            let squares = try vector.requireArray().map { try $0.requireDouble() * $0.requireDouble() }
            #expect(abs(squares.reduce(0, +) - 1) < 1e-5)
        }
    }

    @Test func pairsOnLinesAreSplitAtTabs() throws {
        let alone = try run("nsp", ["classify", "--json", "--pair", "the second", "the first"])
        let line = try run("nsp", ["classify", "--json"], input: "the first\tthe second\n")
        #expect(alone.exitCode == 0)
        #expect(alone.output == line.output)
    }

    // MARK: Choices

    @Test func oneLabelIsRightOrWrongByItself() throws {
        for type in [nil, "single_label_classification", "multi_label_classification"] {
            let result = try run("rerank", ["classify", "--json", "--pair", "b", "a"]) {
                try $0.merge(["problem_type": type.map { $0 as Any } ?? NSNull()], into: "config.json")
            }
            let labels = try JSONDocument(parsing: result.outputBytes, source: "output").root.requireArray()
            let score = try #require(labels.first).requireDouble("score")
            #expect(score > 0 && score < 0.999, "\(type ?? "none")")
        }
    }

    @Test func dimensionsKeepTheFirstElementsAndTheirLength() throws {
        func vector(_ arguments: [String]) throws -> [Double] {
            let result = try run("embed-mean", ["embed", "--json", "some text"] + arguments)
            let root = try JSONDocument(parsing: result.outputBytes, source: "output").root
            return try root.requireArray().map { try $0.requireArray().map { try $0.requireDouble() } }[0]
        }
        let (whole, part) = (try vector([]), try vector(["--dimensions", "4"]))
        #expect(part.count == 4)
        let length = whole.prefix(4).reduce(0) { $0 + $1 * $1 }.squareRoot()
        for (a, b) in zip(whole, part) { #expect(abs(a / length - b) < 1e-6) }
        let raw = try vector(["--no-normalize"])
        #expect(abs(raw.reduce(0) { $0 + $1 * $1 } - 1) > 1e-3)
        #expect(try vector(["--pooling", "cls"]) != whole)
        #expect(try vector(["--prompt", "query: "]) != whole)
    }

    @Test func rawScoresAreTheLogits() throws {
        func scores(_ arguments: [String]) throws -> [Double] {
            let result = try run("rerank", ["rerank", "--json", "--query", "a", "b c", "d"] + arguments)
            return try JSONDocument(parsing: result.outputBytes, source: "output").root.requireArray()
                .map { try $0.requireDouble("relevance_score") }
        }
        for (raw, score) in zip(try scores(["--raw-scores"]), try scores([])) {
            #expect(abs(1 / (1 + exp(-raw)) - score) < 1e-6)
        }
        #expect(try scores(["--top-n", "1"]).count == 1)
    }

    // MARK: Refusals

    @Test func aModelOfAnotherTaskSaysWhichCommandFits() throws {
        expectOneLine(try run("mlm", ["classify", "text"]), naming: "infer fill-mask", "BertForMaskedLM")
        expectOneLine(try run("embed-mean", ["tag", "text"]), naming: "infer embed")
        expectOneLine(try run("sentiment", ["rerank", "--query", "q", "d"]), naming: "infer classify")
        expectOneLine(try run("bart", ["embed", "text"]), naming: "infer translate")
        expectOneLine(try CommandLineTool.run(["embed", "--device", "cpu", "text"]), naming: "infer generate")
    }

    @Test func longTextsAreRefusedOrCut() throws {
        let long = String(repeating: "word ", count: 700)
        expectOneLine(try run("sentiment", ["classify", long]), naming: "--truncate", "512")
        #expect(try run("sentiment", ["classify", "--truncate", long]).exitCode == 0)
        expectOneLine(try run("ner", ["tag", long]), naming: "512")
        #expect(try run("ner", ["tag", "--stride", "32", long]).exitCode == 0)
        expectOneLine(try run("ner", ["tag", "--stride", "510", "word"]), naming: "--stride", "510")
        expectOneLine(
            try run("qa", ["answer", "--question", "why", "--max-length", "64", "--doc-stride", "61", long]),
            naming: "--doc-stride", "61")
        #expect(
            try run("qa", ["answer", "--question", "why", "--max-length", "64", "--doc-stride", "61", "a"]).exitCode
                == 0)
        expectOneLine(
            try run(
                "qa", ["answer", "--question", String(repeating: "why ", count: 90), "--max-length", "64", "text"]),
            naming: "--max-length")
    }

    @Test func badTextsAndChoicesAreToldInOneLine() throws {
        expectOneLine(try run("mlm", ["fill-mask", "no place to fill"]), naming: "[MASK]")
        expectOneLine(try run("nsp", ["classify", "one text"]), naming: "--pair")
        expectOneLine(try run("sentiment", ["classify"]), naming: "no text")
        expectOneLine(try run("embed-mean", ["embed", "--outputs", "sparse", "text"]), naming: "--outputs")
        expectOneLine(try run("embed-mean", ["embed", "--dimensions", "99", "text"]), naming: "--dimensions")
        expectOneLine(try run("embed-mean", ["embed", "--prompt-name", "query", "text"]), naming: "--prompt-name")
        expectOneLine(try run("embed-mean", ["embed", "--lines", "/no/such/file"]), naming: "/no/such/file")
        expectOneLine(
            try run("embed-mean", ["embed", "--lines", "f", "text"]), naming: "--lines", exitCode: 64)
    }

    @Test func aPickleOfOtherThingsIsRefused() throws {
        // print("x") as a pickle, where a zip archive belongs; and an archive cut short.
        for bytes in [Array("cbuiltins\nprint\n(S'x'\ntR.".utf8), [UInt8]("PK\u{3}\u{4}".utf8)] {
            let result = try run("bge-m3", ["embed", "--outputs", "sparse", "text"]) { folder in
                try Data(bytes).write(to: folder.file("sparse_linear.pt"))
            }
            expectOneLine(result, naming: "sparse_linear.pt")
        }
    }

    @Test func labelsThatAreMissingAreNamed() throws {
        let result = try run("sentiment", ["classify", "text"]) { folder in
            let file = folder.file("config.json")
            let text = try String(contentsOf: file, encoding: .utf8).replacingOccurrences(
                of: "\"1\": \"neutral\",", with: "")
            try text.write(to: file, atomically: true, encoding: .utf8)
        }
        expectOneLine(result, naming: "id2label", "config.json")
    }
}
