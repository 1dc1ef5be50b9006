package import ArgumentParser

/// `infer bench`, and what the executable `bench` adds a load generator to: the suites that measure this engine.
package struct BenchCommands: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measures speed; without a suite: latency, as llama-bench does.",
        discussion: """
            `infer bench -p 512 -n 128` is `infer bench latency -p 512 -n 128`; `infer bench latency --help` lists its
            options. Benchmarks/README.md says how each figure is defined.
            """,
        subcommands: suites, defaultSubcommand: LatencyCommand.self)

    /// The suites that both executables have.
    package static let suites: [any ParsableCommand.Type] =
        [
            LatencyCommand.self, OpsCommand.self, ThroughputCommand.self, EmbedSuiteCommand.self,
            TranslateSuiteCommand.self, ImagesCommand.self, CountsCommand.self,
        ] + retrieval

    #if SQLite
        private static let retrieval: [any ParsableCommand.Type] = [RetrievalCommand.self]
    #else
        private static let retrieval: [any ParsableCommand.Type] = []
    #endif

    package init() {}
}

/// What a suite refuses, or finds wrong.
package enum BenchmarkError: Error, Sendable, Equatable, CustomStringConvertible {
    case unknownOp(name: String, known: [String])
    case wrongOutput(cases: [String], worst: String)
    case wroteOutside(name: String, damage: String)
    case countsDiffer([String])
    case unreadableBaseline(path: String)
    case noReferenceModels(path: String)
    case noDevice
    case noAdapters(model: String)

    package var description: String {
        switch self {
        case .unknownOp(let name, let known): "op '\(name)' is not known; known: \(known.joined(separator: ", "))"
        case .wrongOutput(let cases, let worst):
            "\(cases.count) of the measured ops computed something else than the reference: \(worst)"
        case .wroteOutside(let name, let damage): "\(name): wrote outside of its output: \(damage)"
        case .countsDiffer(let lines):
            "\(lines.count) counts differ from the baseline: \(lines.joined(separator: "; ")); if that is meant, "
                + "write it anew with --update"
        case .unreadableBaseline(let path): "\(path): cannot be read; name the baseline with --baseline"
        case .noReferenceModels(let path):
            "\(path): has no folder of a reference model with a config.json; name one with --models"
        case .noDevice: "no device is left to measure"
        case .noAdapters(let model): "\(model): no matrix of its layers is known by name; leave out --adapters"
        }
    }
}
