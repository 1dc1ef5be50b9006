import ArgumentParser
import Glibc

/// The root command. Human output goes to standard output, logs and errors to standard error.
struct Infer: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "infer",
        abstract: "Runs transformer models on any OpenCL device and on the CPU.",
        discussion: """
            --model takes a Hugging Face folder or a .safetensors file; left out, the small model inside the binary serves.
            Shell completions: infer --generate-completion-script bash|zsh|fish
            """,
        version: "infer \(Version.text)",
        subcommands: Infer.commands)

    private static let commands: [any ParsableCommand.Type] = [
        GenerateCommand.self, ForwardCommand.self, TokenizeCommand.self, DetokenizeCommand.self, InspectCommand.self,
        DevicesCommand.self, BenchCommand.self, PerplexityCommand.self, QuantizeCommand.self,
    ]
}

@main
enum EntryPoint {
    static func main() async {
        // A reader that closes our output early (`infer … | head`) must end us through a failed write, not a signal.
        signal(SIGPIPE, SIG_IGN)
        do {
            try CommandArguments.checkEncoding()
            var command = try Infer.parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            exit(ErrorReport(error).deliver())
        }
    }
}
