import ArgumentParser
import CommandSupport
import Inference
import JSONCore

/// `infer answer`: the part of a text that answers a question.
struct AnswerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "answer", abstract: "Finds the part of a text that answers a question.",
        discussion: "start and end count Unicode characters of the context.")

    @Option(help: "The question.") var question: String

    @Argument(help: "The text to look in; left out, --file or standard input.") var context: String?

    @Option(help: "Read the text to look in from this file.", completion: .file()) var file: String?

    @Option(help: "Answers given.") var topK = 1

    @OptionGroup var windows: AnswerWindowOptions

    @Flag(help: "Print JSON.") var json = false

    @OptionGroup(title: "Model") var model: ModelOptions

    func validate() throws {
        try OptionRange.check("--top-k", topK, in: 1...10_000)
        if context != nil, file != nil {
            throw ValidationError("give the context as an argument or with --file, not both")
        }
    }

    func run() async throws {
        let text = try file.map { try InputText.file($0) } ?? InputText.argumentOrStandardInput(context)
        let package = try model.openPackage()
        var search = windows.search
        search.answerCount = topK
        let task = try QuestionAnswerer(
            package, on: try model.makeBackend(), search: search, options: model.taskOptions())
        let answers = try task.run([Question(question, context: text)])[0]
        var output = OutputWriter()
        if json {
            try output.writeLine(try encoded(answers))
        } else {
            for answer in answers {
                try output.writeLine(
                    "\(ModelOptions.score(answer.score))  \(answer.range.lowerBound)-\(answer.range.upperBound)  "
                        + answer.text)
            }
        }
        try output.flush()
    }

    private func encoded(_ answers: [Answer]) throws -> String {
        var writer = JSONWriter()
        if topK > 1 { writer.beginArray() }
        for answer in answers {
            writer.beginObject()
            try writer.member("score", answer.score)
            writer.member("start", answer.range.lowerBound)
            writer.member("end", answer.range.upperBound)
            writer.member("answer", answer.text)
            writer.endObject()
        }
        if topK > 1 {
            writer.endArray()
        } else if answers.isEmpty {
            writer.null()
        }
        return writer.text
    }
}
