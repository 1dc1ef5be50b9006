import ArgumentParser
import Inference
import Models
import TensorCore

/// `infer bench`: llama-bench's tests and columns.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measures prompt and decode speed as llama-bench does.",
        discussion: """
            pp N computes a prompt of N tokens, tg N decodes N tokens one by one, both on random tokens; @ d D does so
            behind D tokens of context. Rates are means and standard deviations over -r runs after one warm-up run.
            """)

    @Option(
        name: [.customShort("p"), .customLong("n-prompt")], help: "Prompt lengths, as 128,512; 0 leaves the test out.")
    var promptCounts = CountList([512])

    @Option(name: [.customShort("n"), .customLong("n-gen")], help: "Decode lengths; 0 leaves the test out.")
    var decodeCounts = CountList([128])

    @Option(name: [.customShort("d"), .customLong("n-depth")], help: "Tokens of context before each test.")
    var depths = CountList([0])

    @Option(name: [.customShort("b"), .customLong("batch-size")], help: "Most tokens of one pass.")
    var passTokenCount = 512

    @Option(name: [.customShort("r"), .customLong("repetitions")], help: "Timed runs of each test.")
    var repetitions = 5

    @Option(name: [.short, .long], help: "md, csv, json, jsonl or sql.")
    var output = BenchFormat.md

    @OptionGroup(title: "Model") var model: ModelOptions

    func validate() throws {
        try model.validate()
        try OptionRange.check("--repetitions", repetitions, in: 1...1000)
        try OptionRange.check("--batch-size", passTokenCount, in: 1...65_536)
        for (name, list) in [("--n-prompt", promptCounts), ("--n-gen", decodeCounts), ("--n-depth", depths)] {
            for count in list.counts { try OptionRange.check(name, count, in: 0...(1 << 24)) }
        }
    }

    func run() async throws {
        let package = try model.openPackage()
        let tests = depths.counts.flatMap { depth in
            promptCounts.counts.filter { $0 > 0 }.map { BenchTest(prompt: $0, decode: 0, depth: depth) }
                + decodeCounts.counts.filter { $0 > 0 }.map { BenchTest(prompt: 0, decode: $0, depth: depth) }
        }
        let context = tests.map(\.contextLength).max() ?? 1
        var report = BenchReport(format: output, package: package, sizes: try package.describe(), options: model)
        var writer = OutputWriter()
        try writer.write(report.header())
        for threadCount in model.threads?.counts.map(Optional.some) ?? [nil] {
            let backend = try model.makeBackend(threadCount: threadCount)
            var options = model.engineOptions()
            options.passTokenCount = passTokenCount
            let measurement = try PassMeasurement(package, on: backend, contextLength: context, options: options)
            report.begin(backend: backend, threadCount: threadCount, passTokenCount: passTokenCount)
            backend.setProfiling(model.profile)
            for test in tests {
                let samples = try run(test, measurement)
                try writer.write(report.row(test, samples))
                try writer.flush()
            }
            if model.profile { ProfileTable(try backend.profile()).print() }
        }
        try writer.write(report.footer())
        try writer.flush()
    }

    /// Seconds of each timed run, after one that warms caches and compiles kernels.
    private func run(_ test: BenchTest, _ measurement: PassMeasurement) throws -> [Double] {
        try (0...repetitions).map { _ in
            if test.depth > 0 { try measurement.fill(depth: test.depth) }
            return test.decode > 0
                ? try measurement.decode(tokenCount: test.decode, depth: test.depth)
                : try measurement.prompt(tokenCount: test.prompt, depth: test.depth)
        }.dropFirst().map { $0 }
    }
}

/// One test: a prompt of `prompt` tokens, or `decode` single tokens, behind `depth` tokens.
struct BenchTest {
    let prompt: Int
    let decode: Int
    let depth: Int

    var contextLength: Int { depth + prompt + decode }

    /// As llama-bench names it.
    var name: String {
        (decode > 0 ? "tg\(decode)" : "pp\(prompt)") + (depth > 0 ? " @ d\(depth)" : "")
    }
}
