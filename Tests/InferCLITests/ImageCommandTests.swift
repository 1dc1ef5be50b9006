import Foundation
import JSONCore
import TestSupport
import Testing

/// The commands over images.
struct ImageCommandTests {
    private static let fixtures = ReferenceMaterial.fixtures
    private static func model(_ name: String) -> String { fixtures.appendingPathComponent("vision/\(name)").path }
    private static let digits = fixtures.appendingPathComponent("digits").path

    /// One of the held-out digits.
    private static func digit(_ label: Int) throws -> String {
        let names = try FileManager.default.contentsOfDirectory(atPath: digits + "/\(label)").sorted()
        return "\(digits)/\(label)/\(try #require(names.first))"
    }

    private func run(_ arguments: [String], input: String = "") throws -> CommandLineTool.Result {
        try CommandLineTool.run(arguments + ["--device", "cpu"], input: Array(input.utf8))
    }

    private func expectOneLine(_ result: CommandLineTool.Result, naming words: String..., exitCode: Int32 = 1) {
        #expect(result.exitCode == exitCode)
        #expect(!result.wasKilled)
        #expect(result.errorLines.count == 1, "\(result.errors)")
        for word in words { #expect(result.errors.contains(word), "\(result.errors)") }
    }

    // MARK: The bundled models

    @Test func digitsAreReadWithoutAModel() throws {
        let result = try run(["classify", "--json", "--image", Self.digit(6)])
        try #require(result.exitCode == 0, "\(result.errors)")
        let scores = try JSONDocument(parsing: result.outputBytes, source: "output").root.requireArray().map { $0 }
        #expect(scores.count == 5)
        #expect(try scores[0].requireString("label") == "6")
        let folder = try run(["classify", "--top-k", "1", "--image", Self.digits + "/3"])
        #expect(folder.output.split(separator: "\n").count == 2)
    }

    @Test func digitsAreMeasured() throws {
        let files = try TemporaryFolder()
        defer { files.remove() }
        let svg = files.file("confusion.svg").path
        let result = try run([
            "evaluate", "classify", "--data", Self.digits, "--json", "--resamples", "20", "--confusion-svg", svg,
        ])
        try #require(result.exitCode == 0, "\(result.errors)")
        let root = try JSONDocument(parsing: result.outputBytes, source: "output").root
        #expect(try root.requireInt("examples") == 20)
        #expect(try root.requireDouble("accuracy") >= 0.9)
        #expect(try String(contentsOfFile: svg, encoding: .utf8).hasPrefix("<svg"))
    }

    @Test func digitsAreWrittenWithoutAModel() throws {
        let files = try TemporaryFolder()
        defer { files.remove() }
        let sevens = files.file("sevens.png").path
        try #require(run(["imagine", "--seed", "1", "--count", "1", "--label", "7", "-o", sevens]).exitCode == 0)
        let read = try run(["classify", "--top-k", "1", "--image", sevens])
        #expect(read.output.contains("  7"), "\(read.output)")
        let way = files.file("way.png").path
        try #require(
            run(["imagine", "--seed", "1", "--to", "2", "--frames", "3", "--count", "1", "--label", "7", "-o", way])
                .exitCode == 0)
        let frames = try (0..<3).map { try Data(contentsOf: files.file("way-00\($0).png")) }
        #expect(try frames[0] == Data(contentsOf: URL(fileURLWithPath: sevens)))
        #expect(frames[0] != frames[1] && frames[1] != frames[2])
        let shown = try run(["imagine", "--count", "1", "--show"])
        #expect(shown.output.split(separator: "\n").count == 16)
    }

    // MARK: On the terminal

    /// What `--show` writes for one image of known bytes, and the PNG file of the same image.
    private func shown(_ environment: [String: String], columns: Int = 2, count: Int = 4) throws -> (
        text: String, file: Data
    ) {
        let files = try TemporaryFolder()
        defer { files.remove() }
        let path = files.file("grid.png")
        let none = ["KITTY_WINDOW_ID": "", "TERM": "xterm", "TERM_PROGRAM": ""]
        let arguments = [
            "imagine", "--seed", "3", "--count", "\(count)", "--columns", "\(columns)", "--show", "-o", path.path,
            "--device", "cpu",
        ]
        let result = try CommandLineTool.run(arguments, environment: none.merging(environment) { $1 })
        try #require(result.exitCode == 0, "\(result.errors)")
        return (result.output, try Data(contentsOf: path))
    }

    @Test(arguments: [["KITTY_WINDOW_ID": "1"], ["TERM": "xterm-kitty"], ["TERM_PROGRAM": "ghostty"]])
    func kittyGetsThePNGInPieces(_ environment: [String: String]) throws {
        let (text, file) = try shown(environment, columns: 8, count: 64)
        try #require(text.hasSuffix("\u{1B}\\\n"))
        let pieces = text.dropLast(1).components(separatedBy: "\u{1B}\\").dropLast()
        var encoded = ""
        for (index, piece) in pieces.enumerated() {
            let isLast = index == pieces.count - 1
            let keys = (index == 0 ? "a=T,f=100," : "") + "m=\(isLast ? 0 : 1)"
            let start = "\u{1B}_G\(keys);"
            try #require(piece.hasPrefix(start), "piece \(index)")
            let payload = piece.dropFirst(start.count)
            #expect(isLast ? payload.utf8.count <= 4096 : payload.utf8.count == 4096)
            encoded += payload
        }
        #expect(Data(base64Encoded: encoded) == file)
        #expect(pieces.count == (encoded.utf8.count + 4095) / 4096)
    }

    @Test(arguments: ["iTerm.app", "WezTerm"])
    func iTermGetsThePNGInOne(_ program: String) throws {
        let (text, file) = try shown(["TERM_PROGRAM": program])
        #expect(
            text == "\u{1B}]1337;File=inline=1;size=\(file.count):\(file.base64EncodedString())\u{07}\n")
    }

    @Test func otherTerminalsGetTwoPixelsACharacter() throws {
        let (text, _) = try shown([:], columns: 1, count: 1)
        let lines = text.split(separator: "\n")
        #expect(lines.count == 16)
        let colour = "[0-9]{1,3};[0-9]{1,3};[0-9]{1,3}m"
        let cell = "\u{1B}\\[38;2;\(colour)\u{1B}\\[48;2;\(colour)\u{2580}"
        for line in lines {
            #expect(line.range(of: "^(\(cell)){32}\u{1B}\\[0m$", options: .regularExpression) != nil, "\(line)")
        }
    }

    // MARK: Several images

    @Test func linesNameImagesThatAreEmbedded() throws {
        let paths = try [2, 5].map(Self.digit)
        let named = try run(["embed", "-m", Self.model("clip"), "--json", "--image"] + paths)
        try #require(named.exitCode == 0, "\(named.errors)")
        for arguments in [["--image", "--lines", "-"], ["--lines", "-", "--image"]] {
            let listed = try run(
                ["embed", "-m", Self.model("clip"), "--json"] + arguments, input: paths.joined(separator: "\n"))
            #expect(listed.output == named.output, "\(listed.errors)")
        }
        // A model of images alone needs no --image.
        let features = try run(
            ["embed", "-m", Self.model("vit-features"), "--lines", "-"], input: paths.joined(separator: "\n"))
        #expect(features.output.split(separator: "\n").count == 2, "\(features.errors)")
        let classified = try run(
            ["classify", "-m", Self.model("lenet"), "--top-k", "1", "--image", "--lines", "-"],
            input: paths.joined(separator: "\n"))
        #expect(classified.output.split(separator: "\n").count == 2, "\(classified.errors)")
        expectOneLine(
            try run(["embed", "-m", Self.model("clip"), "--image", "--json"]), naming: "--lines", exitCode: 64)
        expectOneLine(
            try run(["embed", "-m", Self.model("clip"), "--lines", "-", "--image", paths[0]]), naming: "not both",
            exitCode: 64)
    }

    @Test func linesNameImagesOfAModelOfImages() throws {
        let paths = try [2, 5].map(Self.digit).joined(separator: "\n")
        let result = try run(
            ["classify", "-m", Self.model("lenet"), "--json", "--lines", "-"], input: paths + "\n\n")
        try #require(result.exitCode == 0, "\(result.errors)")
        #expect(result.output.split(separator: "\n").count == 2)
        expectOneLine(try run(["classify", "-m", Self.model("lenet"), "--lines", "-"]), naming: "names no images")
    }

    @Test func vectorsOfImagesAreOneArray() throws {
        let result = try run(["embed", "-m", Self.model("clip"), "--json", "--image", Self.digits + "/1"])
        let vectors = try JSONDocument(parsing: result.outputBytes, source: "output").root.requireArray().map { $0 }
        #expect(vectors.count == 2)
        let squares = try vectors[0].requireArray().map { try $0.requireDouble() * $0.requireDouble() }
        #expect(abs(squares.reduce(0, +) - 1) < 1e-5)
        let texts = try run(["embed", "-m", Self.model("clip"), "--json", "a cat", "a dog"])
        #expect(try JSONDocument(parsing: texts.outputBytes, source: "output").root.requireArray().count == 2)
    }

    @Test func foldersNameTheLabelsOfCLIP() throws {
        let result = try run([
            "evaluate", "classify", "-m", Self.model("clip"), "--data", Self.digits, "--json", "--resamples", "0",
        ])
        try #require(result.exitCode == 0, "\(result.errors)")
        let root = try JSONDocument(parsing: result.outputBytes, source: "output").root
        #expect(try root.require("labels").requireArray().count == 10)
    }

    // MARK: Refusals

    @Test func badImagesAndFoldersAreToldInOneLine() throws {
        let files = try TemporaryFolder()
        defer { files.remove() }
        try Data("text".utf8).write(to: files.file("a.png"))
        let empty = files.file("empty")
        try FileManager.default.createDirectory(at: empty, withIntermediateDirectories: false)
        expectOneLine(try run(["classify", "--image", files.file("a.png").path]), naming: "a.png", "no PNG or JPEG")
        expectOneLine(try run(["classify", "--image", "/no/such.png"]), naming: "/no/such.png")
        expectOneLine(try run(["classify", "--image", empty.path]), naming: "empty", "no PNG or JPEG")
        expectOneLine(
            try run(["evaluate", "classify", "--data", empty.path]), naming: "empty", "folder for each label")
        let unknown = files.file("data/eleven").path
        try FileManager.default.createDirectory(atPath: unknown, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: Self.digit(1), toPath: unknown + "/1.png")
        expectOneLine(
            try run(["evaluate", "classify", "--data", files.file("data").path]), naming: "eleven", "0, 1, 2")
    }

    @Test func modelsOfAnotherTaskSayWhichCommandFits() throws {
        let digit = try Self.digit(1)
        expectOneLine(
            try run(["classify", "-m", Self.model("dcgan"), "--image", digit]), naming: "infer imagine")
        expectOneLine(
            try run(["imagine", "-m", Self.model("lenet"), "-o", "/tmp/x.png"]), naming: "infer classify --image")
        expectOneLine(
            try run(["embed", "-m", Self.model("lenet"), "--image", digit]), naming: "infer classify --image")
        expectOneLine(
            try run(["classify", "-m", Self.model("vit-features"), "--labels", "a,b", "--image", digit]),
            naming: "infer embed --image")
        expectOneLine(
            try run(["classify", "-m", Self.model("clip"), "--image", digit]), naming: "infer classify --image --labels"
        )
        expectOneLine(
            try run(["imagine", "-m", Self.model("dcgan"), "--label", "7", "-o", "/tmp/x.png"]), naming: "--label")
        expectOneLine(try run(["imagine", "--label", "eleven", "-o", "/tmp/x.png"]), naming: "'eleven'", "0, 1, 2")
        expectOneLine(
            try run(["embed", "-m", Self.model("clip"), "--dimensions", "99", "--image", digit]), naming: "have 8")
    }

    @Test func misuseIsToldBeforeAnythingIsLoaded() throws {
        expectOneLine(try run(["imagine"]), naming: "--output", exitCode: 64)
        expectOneLine(try run(["imagine", "-o", "x.png", "--frames", "3"]), naming: "--to", exitCode: 64)
        expectOneLine(try run(["embed", "text", "--image", "x.png"]), naming: "--image", exitCode: 64)
        expectOneLine(try run(["classify", "--labels", "a,b", "text"]), naming: "--image", exitCode: 64)
    }
}
