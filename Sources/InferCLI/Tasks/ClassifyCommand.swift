public import ArgumentParser
import CommandSupport
public import Inference
import JSONCore
import TensorCore

/// `infer classify`: labels of a text.
struct ClassifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "classify", abstract: "Puts labels on a text, or on a pair of texts.",
        discussion: """
            Scores are as the model's problem_type says: probabilities of labels that exclude each other, of labels that \
            do not, or the number of a regression. With --lines, a tab separates the texts of a pair.
            """)

    @Argument(help: "The text; left out, the lines of standard input.") var text: String?

    @Option(help: ArgumentHelp("The second text of a pair.", valueName: "text2")) var pair: String?

    @Option(help: "How scores are made of logits: softmax, sigmoid or none; left out, as the model says.")
    var function: Classifier.Activation?

    @Option(
        help: ArgumentHelp(
            "Labels by this linear layer on the vectors of an embedder (safetensors).", valueName: "file"),
        completion: .file(extensions: ["safetensors"]))
    var head: String?

    @Flag(help: "Cut texts that are over the model's limit.") var truncate = false

    @OptionGroup var list: TextListOptions
    @OptionGroup(title: "Model") var model: ModelOptions

    func validate() throws {
        try list.check([text].compactMap { $0 })
        if pair != nil, text == nil { throw ValidationError("--pair goes with a text as an argument; give both") }
    }

    func run() async throws {
        let package = try model.openPackage()
        let task = try Classifier.make(
            package, head: head, on: try model.makeBackend(), activation: function,
            options: model.taskOptions(truncates: truncate))
        var output = OutputWriter()
        try list.forEachBatch(of: [text].compactMap { $0 }) { texts, _ in
            let inputs = texts.map { text == nil ? ClassifyCommand.input(line: $0) : TextPair($0, pair: pair) }
            for scores in try task.run(inputs) {
                try output.writeLine(list.json ? try json(scores) : lines(scores))
            }
            try output.flush()
        }
    }

    /// A line is a text, or two with a tab between.
    private static func input(line: String) -> TextPair {
        let parts = line.split(separator: "\t", maxSplits: 1, omittingEmptySubsequences: false)
        return TextPair(String(parts[0]), pair: parts.count > 1 ? String(parts[1]) : nil)
    }

    private func json(_ scores: [LabelScore]) throws -> String {
        var writer = JSONWriter()
        writer.beginArray()
        for score in scores {
            writer.beginObject()
            writer.member("label", score.label)
            try writer.member("score", score.score)
            writer.endObject()
        }
        writer.endArray()
        return writer.text
    }

    private func lines(_ scores: [LabelScore]) -> String {
        scores.map { "\(ModelOptions.score($0.score))  \($0.label)" }.joined(separator: text == nil ? "  " : "\n")
    }
}

extension Classifier.Activation: ExpressibleByArgument {}

extension Classifier {
    /// With the model's own head, or another one.
    static func make(
        _ package: ModelPackage, head: String?, on backend: any Backend, activation: Activation?, options: TaskOptions
    ) throws -> Classifier {
        guard let head else {
            return try Classifier(package, on: backend, activation: activation, options: options)
        }
        return try Classifier(package, head: head, on: backend, activation: activation, options: options)
    }
}
