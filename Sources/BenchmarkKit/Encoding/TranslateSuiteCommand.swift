package import ArgumentParser
import CommandSupport
import Devices
import Foundation
import Inference
import TensorCore

/// `bench translate`: how many target tokens an encoder-decoder writes a second.
package struct TranslateSuiteCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "translate", abstract: "Target tokens a second of an encoder-decoder, from strings to strings.",
        discussion: """
            Takes the first --batch lines of a file as texts, all of them together -r times behind one warm-up run. Every
            target text has --tokens tokens. Loading and printing are not part of it.
            """)

    @Option(help: "A file with a text a line.", completion: .file())
    var texts: String

    @Option(help: "Texts that are written together, as 1,32.")
    var batch = CountList([1, 32])

    @Option(help: "Beams, as 1,4.")
    var beams = CountList([1, 4])

    @Option(help: "Tokens of each target text.")
    var tokens = 64

    @Option(name: [.customShort("r"), .customLong("repetitions")], help: "Timed runs.")
    var repetitions = 3

    @OptionGroup var results: ResultOptions
    @OptionGroup(title: "Model") var model: ModelOptions

    package init() {}

    package func validate() throws {
        try model.validate()
        guard model.model != nil else { throw ValidationError("give an encoder-decoder with --model") }
        try OptionRange.check("--repetitions", repetitions, in: 1...1000)
        try OptionRange.check("--tokens", tokens, in: 1...4096)
        for count in batch.counts { try OptionRange.check("--batch", count, in: 1...4096) }
        for count in beams.counts { try OptionRange.check("--beams", count, in: 1...64) }
    }

    package func run() async throws {
        var output = try ResultOutput(results)
        let source = BenchModelSource.files(model)
        let lines = try String(contentsOfFile: texts, encoding: .utf8)
            .split(whereSeparator: \.isNewline).map(String.init)
        guard let most = batch.counts.max(), lines.count >= most else {
            throw CommandError.unsupported(
                option: "--texts", value: texts, reason: "the file has \(lines.count) lines, fewer than --batch")
        }
        let package = try source.open()
        let device = try model.makeDevice(threadCount: model.threads?.counts.first)
        var description = try RunDescription(source, package, model, passTokenCount: 0)
        description.backend = device.backend.summary
        try output.begin("translate")
        for beamCount in beams.counts {
            var search = SearchOptions()
            search.beamCount = beamCount
            search.minimumNewTokens = tokens
            search.maximumNewTokens = tokens
            let task = try Translator(
                package, on: device.backend, search: search, options: TaskOptions(engine: model.engineOptions()))
            for count in batch.counts {
                let seconds = try (0...repetitions).map { _ in
                    let start = ContinuousClock.now
                    _ = try task.run(Array(lines.prefix(count)))
                    return (ContinuousClock.now - start).seconds
                }
                let statistics = SampleStatistics(Array(seconds.dropFirst()))
                try output.write(row(description, textCount: count, beamCount: beamCount, statistics))
            }
        }
        try output.end()
    }

    private func row(
        _ description: RunDescription, textCount: Int, beamCount: Int, _ seconds: SampleStatistics
    ) -> TableRow {
        let rate = Double(textCount * tokens) / seconds.median
        var row = TableRow()
        row.add("suite", "translate")
        description.addFields(to: &row)
        row.add("n_texts", textCount)
        row.add("n_beams", beamCount)
        row.add("n_tokens", tokens)
        row.add("seconds", seconds.median)
        row.add("samples", seconds.sorted)
        row.add("tokens_per_second", rate)
        row.show("model", description.title)
        row.show("backend", description.backend)
        row.show(number: "texts", "\(textCount)")
        row.show(number: "beams", "\(beamCount)")
        row.show(number: "s", fixed(seconds.median, digits: 3))
        row.show(number: "t/s", fixed(rate, digits: 1))
        return row
    }
}
