import ArgumentParser
import BenchmarkKit
import CommandSupport
import LoadGenerator

/// The executable `bench`: the suites of `infer bench`, and a load generator for servers.
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measures this engine, and any OpenAI-compatible server.",
        discussion: "Benchmarks/README.md says how each figure is defined.", version: "bench \(Version.text)",
        subcommands: BenchCommands.suites + [ServeCommand.self], defaultSubcommand: LatencyCommand.self)
}

@main
enum EntryPoint {
    static func main() async { await CommandEntry.run(Bench.self) }
}
