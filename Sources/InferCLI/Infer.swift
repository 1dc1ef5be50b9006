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

    private static let commands: [any ParsableCommand.Type] =
        [
            GenerateCommand.self, ChatCommand.self, TemplateCommand.self, ForwardCommand.self, TokenizeCommand.self,
            DetokenizeCommand.self, GrammarCommand.self, InspectCommand.self, FillMaskCommand.self,
            ClassifyCommand.self, FitCommand.self, TagCommand.self,
            AnswerCommand.self,
            EmbedCommand.self, RerankCommand.self, TranslateCommand.self, DevicesCommand.self, BenchCommands.self,
            PerplexityCommand.self, EvaluateCommand.self, QuantizeCommand.self, ListCommand.self, ImagineCommand.self,
        ] + serving + retrieval

    /// Without the HTTP packages (`traits: []`) there is no server.
    private static var serving: [any ParsableCommand.Type] {
        #if HTTP
            [ServeCommand.self]
        #else
            []
        #endif
    }

    /// Without SQLite (`traits: []`) there are no collections.
    private static var retrieval: [any ParsableCommand.Type] {
        #if SQLite
            [IndexCommand.self, SearchCommand.self, AskCommand.self]
        #else
            []
        #endif
    }
}

@main
enum EntryPoint {
    static func main() async { await CommandEntry.run(Infer.self, listOptions: ["--image"]) }
}
