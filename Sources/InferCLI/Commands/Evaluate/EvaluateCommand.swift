import ArgumentParser
import CommandSupport

/// `infer evaluate`: how well a task is done, against what people have judged.
struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate", abstract: "Measures how well a task is done.",
        subcommands: [
            EvaluateClassifyCommand.self, EvaluateTagCommand.self, EvaluateAnswerCommand.self,
            EvaluateEmbedCommand.self, EvaluateRerankCommand.self, EvaluateTranslateCommand.self,
        ] + retrieval)

    /// Without SQLite (`traits: []`) there are no collections.
    private static var retrieval: [any ParsableCommand.Type] {
        #if SQLite
            [EvaluateRetrievalCommand.self, EvaluateGroundednessCommand.self]
        #else
            []
        #endif
    }
}
