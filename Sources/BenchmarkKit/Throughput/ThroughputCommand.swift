package import ArgumentParser
import CommandSupport
import Devices
import Inference
import Models
import TensorCore

/// `bench throughput`: many sequences at once.
package struct ThroughputCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "throughput",
        abstract: "Many sequences at once: llama.cpp's batched-bench, and sets of mixed lengths.",
        discussion: """
            First each number of sequences in --batches: every prompt, then decoding in step, with separate prompts or
            one that all share (--prompts). Then --requests requests of mixed lengths through the engine's scheduler.
            With --adapters N also what adapters that requests name cost. With --serving also: 16 answers together over
            one alone, a shared prompt again, and the gaps between tokens while long prompts arrive.
            """)

    /// Which prompts the sequences of a batch have.
    enum Prompts: String, ExpressibleByArgument, CaseIterable {
        case separate, shared, both

        var sharing: [Bool] {
            switch self {
            case .separate: [false]
            case .shared: [true]
            case .both: [false, true]
            }
        }
    }

    @Option(name: [.customShort("p"), .customLong("n-prompt")], help: "Tokens of each prompt.")
    var promptCounts = CountList([128])

    @Option(name: [.customShort("n"), .customLong("n-gen")], help: "Tokens that each sequence decodes.")
    var decodeCounts = CountList([32])

    @Option(help: "Sequences at once.")
    var batches = CountList([1, 2, 4, 8, 16, 32, 64])

    @Option(help: "separate, shared or both.")
    var prompts = Prompts.both

    @Option(name: [.customShort("b"), .customLong("batch-size")], help: "Most tokens of one pass.")
    var passTokenCount = 512

    @Option(help: "Requests of the mixed set; 0 leaves it out.")
    var requests = 32

    @Option(help: "Shortest and longest prompt of the mixed set.")
    var promptRange = CountList([16, 256])

    @Option(help: "Shortest and longest output of the mixed set.")
    var outputRange = CountList([8, 64])

    @Option(help: "Sequences that the engine runs at once in the mixed set.")
    var maxSequences = 16

    @Flag(help: "Measures what a server needs, with prompts of 1,000 and 2,000 tokens.")
    var serving = false

    @Option(help: "Sequences that decode with an adapter of their own, against the same without; 0 leaves it out.")
    var adapters = 0

    @Option(help: "Rank of those adapters, which are for every matrix of the layers.")
    var rank = 16

    @Option(help: "Of the numbers in their files.")
    var adapterDtype = AdapterFormatArgument.float32

    @Option(help: "Draws the lengths of the mixed set.")
    var seed: UInt64 = 0

    @OptionGroup var results: ResultOptions
    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Random models") var models: BenchModelOptions

    package init() {}

    package func validate() throws {
        try model.validate()
        _ = try models.sources(model)
        try OptionRange.check("--batch-size", passTokenCount, in: 1...65_536)
        try OptionRange.check("--requests", requests, in: 0...100_000)
        try OptionRange.check("--adapters", adapters, in: 0...64)
        try OptionRange.check("--rank", rank, in: 1...256)
        try OptionRange.check("--max-sequences", maxSequences, in: 1...4096)
        for count in batches.counts { try OptionRange.check("--batches", count, in: 1...4096) }
        for count in promptCounts.counts { try OptionRange.check("--n-prompt", count, in: 1...(1 << 20)) }
        for count in decodeCounts.counts { try OptionRange.check("--n-gen", count, in: 1...(1 << 20)) }
        for (name, range) in [("--prompt-range", promptRange), ("--output-range", outputRange)] {
            guard range.counts.count == 2, range.counts[0] >= 1, range.counts[0] <= range.counts[1] else {
                throw ValidationError("\(name) is \(range.defaultValueDescription), expected two lengths as 16,256")
            }
            try OptionRange.check(name, range.counts[1], in: 1...(1 << 20))
        }
    }

    package func run() async throws {
        var output = try ResultOutput(results)
        for source in try models.sources(model) {
            let package = try source.open()
            let device = try model.makeDevice(threadCount: model.threads?.counts.first)
            var description = try RunDescription(source, package, model, passTokenCount: passTokenCount)
            description.backend = device.backend.summary
            var options = model.engineOptions()
            options.passTokenCount = passTokenCount
            options.weightFormat = source.weightFormat
            // Before the model is there, whose scratch must not be reserved over.
            let ceilings =
                model.profile
                ? try CeilingProbe(
                    device, threadCount: model.threads?.counts.first, formats: source.productFormats(of: package)
                ).measure() : nil
            try runBatches(package, device.backend, options, description, ceilings, &output)
            try await runSet(package, device.backend, options, description, &output)
            if adapters > 0 { try await runAdapters(package, device.backend, options, description, &output) }
            if serving { try await runServing(package, device.backend, options, description, &output) }
        }
        try output.end()
    }

    private func runBatches(
        _ package: ModelPackage, _ backend: any Backend, _ options: EngineOptions, _ description: RunDescription,
        _ ceilings: Ceilings?, _ output: inout ResultOutput
    ) throws {
        guard let largest = batches.counts.max() else { return }
        let measurement = try BatchMeasurement(
            package, on: backend, sequenceCount: largest,
            contextLength: (promptCounts.counts.max() ?? 1) + (decodeCounts.counts.max() ?? 1), options: options)
        try output.begin("batched")
        for promptCount in promptCounts.counts {
            for decodeCount in decodeCounts.counts {
                // Kernels are compiled and weights read before the first row.
                _ = try measurement.run(
                    sequenceCount: 1, promptCount: promptCount, decodeCount: 1, sharesPrompt: false)
                for sharesPrompt in prompts.sharing {
                    for count in batches.counts {
                        let times = try measurement.run(
                            sequenceCount: count, promptCount: promptCount, decodeCount: decodeCount,
                            sharesPrompt: sharesPrompt)
                        let row = BatchRow(
                            promptCount: promptCount, decodeCount: decodeCount, sequenceCount: count,
                            sharesPrompt: sharesPrompt, times: times)
                        try output.write(row.row(description))
                    }
                }
            }
        }
        if let ceilings { try printProfile(measurement, backend, ceilings, sequenceCount: largest) }
    }

    /// Of one more run of the largest batch with prompts of one token, which are a step like the others.
    private func printProfile(
        _ measurement: BatchMeasurement, _ backend: any Backend, _ ceilings: Ceilings, sequenceCount: Int
    ) throws {
        let decodeCount = decodeCounts.counts.max() ?? 1
        backend.setProfiling(true)
        _ = try measurement.run(
            sequenceCount: sequenceCount, promptCount: 1, decodeCount: decodeCount, sharesPrompt: false)
        let entries = try backend.profile()
        backend.setProfiling(false)
        ProfileTable(entries, unit: ("step of \(sequenceCount) tokens", decodeCount + 1), ceilings: ceilings.rates)
            .print(title: "decoding \(sequenceCount) sequences")
    }

    private func runSet(
        _ package: ModelPackage, _ backend: any Backend, _ options: EngineOptions, _ description: RunDescription,
        _ output: inout ResultOutput
    ) async throws {
        guard requests > 0 else { return }
        let set = OfflineSet(
            count: requests, prompts: promptRange.counts[0]...promptRange.counts[1],
            outputs: outputRange.counts[0]...outputRange.counts[1], seed: seed)
        var options = options
        options.contextLength = set.longest
        options.sequenceCount = maxSequences
        options.cacheTokenCount = maxSequences * (set.longest + options.blockSizeInTokens)
        let engine = try await Engine(package, on: backend, options: options)
        try output.begin("offline")
        let result = try await set.run(on: engine)
        try output.write(set.row(result, description, sequenceCount: maxSequences))
    }

    private func runAdapters(
        _ package: ModelPackage, _ backend: any Backend, _ options: EngineOptions, _ description: RunDescription,
        _ output: inout ResultOutput
    ) async throws {
        let set = AdapterSet(count: adapters, rank: rank, format: adapterDtype.format)
        var options = options
        let length = set.promptCount + set.tokenCount
        options.contextLength = length
        options.sequenceCount = adapters
        options.cacheTokenCount = 2 * adapters * (length + options.blockSizeInTokens)
        let engine = try await Engine(try set.offer(package), on: backend, options: options)
        try output.begin("adapters")
        try output.write(set.row(try await set.run(on: engine), description))
    }

    private func runServing(
        _ package: ModelPackage, _ backend: any Backend, _ options: EngineOptions, _ description: RunDescription,
        _ output: inout ResultOutput
    ) async throws {
        let set = ServingSet()
        var options = options
        options.contextLength = min(set.contextLength, try package.describe().maxContextLength)
        options.sequenceCount = set.streamCount
        options.cacheTokenCount = 4 * set.contextLength
        let engine = try await Engine(package, on: backend, options: options)
        try output.begin("serving")
        try output.write(set.row(try await set.run(on: engine), description))
    }
}

/// `--adapter-dtype`: the formats of adapters' files.
enum AdapterFormatArgument: String, ExpressibleByArgument, CaseIterable {
    case float32, bfloat16, float16

    init?(argument: String) {
        guard let format = WeightFormatArgument(argument: argument) else { return nil }
        self.init(rawValue: format.rawValue)
    }

    var format: WeightFormat {
        switch self {
        case .float32: .float32
        case .bfloat16: .bfloat16
        case .float16: .float16
        }
    }
}
