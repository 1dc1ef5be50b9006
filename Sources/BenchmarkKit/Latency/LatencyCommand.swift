package import ArgumentParser
import CommandSupport
import Devices
import Inference
import Models
import TensorCore

/// `bench latency`: llama-bench's tests and columns.
package struct LatencyCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "latency", abstract: "Prompt and decode speed of one sequence, as llama-bench measures it.",
        discussion: """
            pp N computes a prompt of N tokens, tg N decodes N tokens one by one, pp P+tg N does one after the other, all
            on random tokens; @ d D does so behind D tokens of context. Rates are means and standard deviations over -r
            runs after one warm-up run.
            """)

    @Argument(help: .hidden) var suite: String?

    @Option(
        name: [.customShort("p"), .customLong("n-prompt")], help: "Prompt lengths, as 128,512; 0 leaves the test out.")
    var promptCounts = CountList([512])

    @Option(name: [.customShort("n"), .customLong("n-gen")], help: "Decode lengths; 0 leaves the test out.")
    var decodeCounts = CountList([128])

    @Option(
        name: .customLong("pg", withSingleDash: true),
        help: ArgumentHelp("A prompt and decoding behind it as one test; may be given again.", valueName: "pp,tg"))
    var pairs: [CountList] = []

    @Option(name: [.customShort("d"), .customLong("n-depth")], help: "Tokens of context before each test.")
    var depths = CountList([0])

    @Option(name: [.customShort("b"), .customLong("batch-size")], help: "Most tokens of one pass.")
    var passTokenCount = 512

    @Option(name: [.customShort("r"), .customLong("repetitions")], help: "Timed runs of each test.")
    var repetitions = 5

    @Flag(help: "Also measures loading, the time to the first token of the first prompt length, and peak memory.")
    var startup = false

    @OptionGroup var results: ResultOptions
    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Random models") var models: BenchModelOptions

    package init() {}

    package func validate() throws {
        if let suite {
            let names = BenchCommands.suites.compactMap { $0.configuration.commandName }.joined(separator: ", ")
            throw ValidationError("unknown suite '\(suite)'; there are \(names), and serve in the executable bench")
        }
        try model.validate()
        _ = try models.sources(model)
        try OptionRange.check("--repetitions", repetitions, in: 1...1000)
        try OptionRange.check("--batch-size", passTokenCount, in: 1...65_536)
        for (name, list) in [("--n-prompt", promptCounts), ("--n-gen", decodeCounts), ("--n-depth", depths)] {
            for count in list.counts { try OptionRange.check(name, count, in: 0...(1 << 24)) }
        }
        for pair in pairs {
            guard pair.counts.count == 2 else {
                throw ValidationError("-pg is \(pair.defaultValueDescription), expected two lengths as 512,128")
            }
            for count in pair.counts { try OptionRange.check("-pg", count, in: 1...(1 << 24)) }
        }
    }

    /// Every test, prompts before decoding, depth by depth.
    package var tests: [LatencyTest] {
        depths.counts.flatMap { depth in
            promptCounts.counts.filter { $0 > 0 }.map { LatencyTest(prompt: $0, decode: 0, depth: depth) }
                + decodeCounts.counts.filter { $0 > 0 }.map { LatencyTest(prompt: 0, decode: $0, depth: depth) }
                + pairs.map { LatencyTest(prompt: $0.counts[0], decode: $0.counts[1], depth: depth) }
        }
    }

    package func run() async throws {
        var output = try ResultOutput(results)
        let sources = try models.sources(model)
        if startup { try await measureStartup(sources, &output) }
        if !tests.isEmpty { try output.begin("test") }
        for source in sources where !tests.isEmpty {
            let package = try source.open()
            var description = try RunDescription(source, package, model, passTokenCount: passTokenCount)
            for threadCount in model.threads?.counts.map(Optional.some) ?? [nil] {
                description.threadCount = threadCount ?? 0
                try measure(package, source, &description, threadCount, &output)
            }
        }
        try output.end()
    }

    private func engineOptions(_ source: BenchModelSource) -> EngineOptions {
        var options = model.engineOptions()
        options.passTokenCount = passTokenCount
        options.weightFormat = source.weightFormat
        return options
    }

    private func measure(
        _ package: ModelPackage, _ source: BenchModelSource, _ description: inout RunDescription, _ threadCount: Int?,
        _ output: inout ResultOutput
    ) throws {
        let device = try model.makeDevice(threadCount: threadCount)
        description.backend = device.backend.summary
        // Before the model is there, whose scratch must not be reserved over.
        let ceilings =
            model.profile
            ? try CeilingProbe(device, threadCount: threadCount, formats: source.productFormats(of: package)).measure()
            : nil
        let measurement = try PassMeasurement(
            package, on: device.backend, contextLength: tests.map(\.contextLength).max() ?? 1,
            options: engineOptions(source))
        for test in tests {
            // The first run warms caches and compiles kernels.
            let seconds = try (0...repetitions).map { _ in try test.run(measurement) }.dropFirst()
            try output.write(description.row(test, seconds: Array(seconds)))
        }
        guard let ceilings else { return }
        for test in tests {
            // A run of its own, because collecting times slows some devices.
            device.backend.setProfiling(true)
            _ = try test.run(measurement)
            let entries = try device.backend.profile()
            device.backend.setProfiling(false)
            ProfileTable(entries, unit: test.profileUnit, ceilings: ceilings.rates)
                .print(title: "\(description.modelName), \(test.name)")
        }
    }

    private func measureStartup(_ sources: [BenchModelSource], _ output: inout ResultOutput) async throws {
        try output.begin("startup")
        let promptCount = max(promptCounts.counts.first ?? 1, 1)
        for source in sources {
            let backend = try model.makeBackend(threadCount: model.threads?.counts.first)
            let measured = try await StartupMeasurement.measure(
                source, on: backend, options: engineOptions(source), promptTokenCount: promptCount,
                repetitions: repetitions)
            var description = try RunDescription(source, measured.model, model, passTokenCount: passTokenCount)
            description.backend = backend.summary
            try output.write(measured.row(description, promptTokenCount: promptCount))
        }
    }
}
