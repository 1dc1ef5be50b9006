import ArgumentParser
import BenchmarkKit
import CommandSupport

/// The root command. Human output goes to standard output, logs and errors to standard error.
struct Infer: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "infer",
        abstract: "Runs transformer models on any OpenCL device and on the CPU.",
        discussion: """
            --model takes a Hugging Face folder, a .safetensors or a .gguf file, or the name of a model that `infer list` shows; \
            left out, the model inside the binary serves.
            Shell completions: infer --generate-completion-script bash|zsh|fish
            """,
        version: "infer \(Version.text)",
        subcommands: Infer.commands)

    private static let commands: [any ParsableCommand.Type] = [
        GenerateCommand.self, ForwardCommand.self, TokenizeCommand.self, DetokenizeCommand.self, InspectCommand.self,
        ListCommand.self,
        DevicesCommand.self, BenchCommands.self, PerplexityCommand.self, QuantizeCommand.self,
    ]
}

@main
enum EntryPoint {
    static func main() async { await CommandEntry.run(Infer.self) }
}
