package import ArgumentParser
import CommandSupport
import Devices
import Foundation
import Inference
import TensorCore

/// `bench embed`: how many texts an embedder turns into vectors a second.
package struct EmbedSuiteCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "embed", abstract: "Texts a second of an embedder, from strings to vectors.",
        discussion: """
            Takes the lines of a file as texts, all of them -r times behind one warm-up run: cutting into tokens, passes
            and pooling, as `infer embed` does; loading and printing are not part of it. --vectors writes the vectors to
            a .npy file, to compare them with another engine's.
            """)

    @Option(help: "A file with a text a line.", completion: .file())
    var texts: String

    @Option(name: [.customShort("r"), .customLong("repetitions")], help: "Timed runs.")
    var repetitions = 5

    @Option(help: "Write the vectors to this .npy file.", completion: .file(extensions: ["npy"]))
    var vectors: String?

    @OptionGroup var results: ResultOptions
    @OptionGroup(title: "Model") var model: ModelOptions

    package init() {}

    package func validate() throws {
        try model.validate()
        guard model.model != nil else { throw ValidationError("give an embedder with --model") }
        try OptionRange.check("--repetitions", repetitions, in: 1...1000)
    }

    package func run() async throws {
        var output = try ResultOutput(results)
        let source = BenchModelSource.files(model)
        let lines = try String(contentsOfFile: texts, encoding: .utf8)
            .split(whereSeparator: \.isNewline).map(String.init)
        guard !lines.isEmpty else {
            throw CommandError.unsupported(option: "--texts", value: texts, reason: "the file has no lines")
        }
        let package = try source.open()
        let device = try model.makeDevice(threadCount: model.threads?.counts.first)
        var description = try RunDescription(source, package, model, passTokenCount: 0)
        description.backend = device.backend.summary
        let task = try Embedder(
            package, on: device.backend, options: TaskOptions(engine: model.engineOptions(), truncates: true))
        if model.profile { device.backend.setProfiling(true) }
        var seconds: [Double] = []
        for run in 0...repetitions {
            let start = ContinuousClock.now
            let embeddings = try task.run(lines)
            if run > 0 { seconds.append((ContinuousClock.now - start).seconds) }
            if run == repetitions, let vectors { try EmbedSuiteCommand.write(embeddings.map(\.dense), to: vectors) }
        }
        let tokenCount = try lines.reduce(0) { $0 + (try task.tokenCount(of: $1)) }
        try output.begin("embed")
        try output.write(row(description, textCount: lines.count, tokenCount: tokenCount, SampleStatistics(seconds)))
        try output.end()
        guard model.profile else { return }
        ProfileTable(try device.backend.profile(), unit: ("run", repetitions + 1), ceilings: nil)
            .print(title: description.title)
    }

    private func row(
        _ description: RunDescription, textCount: Int, tokenCount: Int, _ seconds: SampleStatistics
    ) -> TableRow {
        let median = seconds.median
        var row = TableRow()
        row.add("suite", "embed")
        description.addFields(to: &row)
        row.add("n_texts", textCount)
        row.add("n_tokens", tokenCount)
        row.add("seconds", median)
        row.add("samples", seconds.sorted)
        row.add("texts_per_second", Double(textCount) / median)
        row.show("model", description.title)
        row.show("backend", description.backend)
        row.show(number: "texts", "\(textCount)")
        row.show(number: "tokens", "\(tokenCount)")
        row.show(number: "s", fixed(median, digits: 3))
        row.show(number: "texts/s", fixed(Double(textCount) / median, digits: 1))
        return row
    }

    /// NumPy's format 1.0 of a float32 matrix.
    private static func write(_ rows: [[Float]], to path: String) throws {
        let shape = "(\(rows.count), \(rows.first?.count ?? 0))"
        var header = "{'descr': '<f4', 'fortran_order': False, 'shape': \(shape), }"
        header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
        var data = Data([0x93] + Array("NUMPY".utf8) + [1, 0])
        data.append(contentsOf: [UInt8(header.utf8.count & 0xFF), UInt8(header.utf8.count >> 8)])
        data.append(contentsOf: header.utf8)
        for row in rows { row.withUnsafeBytes { data.append(contentsOf: $0) } }
        try data.write(to: URL(fileURLWithPath: path))
    }
}
