public import ArgumentParser
import CommandSupport
public import Inference
import JSONCore

/// `infer tag`: labels of a text's tokens.
struct TagCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tag", abstract: "Labels the tokens of a text, such as named entities.",
        discussion: "start and end count Unicode characters of the text.")

    @Argument(help: "The text; left out, the lines of standard input.") var text: String?

    @Option(help: "How tokens become entities: none, simple, first, average or max.")
    var aggregation: TokenTagger.Aggregation = .simple

    @Option(help: "Read longer texts in windows that repeat so many tokens.") var stride: Int?

    @Flag(help: "Cut texts that are over the model's limit.") var truncate = false

    @OptionGroup var list: TextListOptions
    @OptionGroup(title: "Model") var model: ModelOptions

    func validate() throws {
        try OptionRange.check("--stride", stride, in: 0...(1 << 20))
        try list.check([text].compactMap { $0 })
    }

    func run() async throws {
        let package = try model.openPackage()
        let task = try TokenTagger(
            package, on: try model.makeBackend(), aggregation: aggregation, stride: stride,
            options: model.taskOptions(truncates: truncate))
        var output = OutputWriter()
        try list.forEachBatch(of: [text].compactMap { $0 }) { texts, _ in
            for spans in try task.run(texts) {
                if list.json {
                    try output.writeLine(try json(spans))
                } else {
                    for span in spans {
                        try output.writeLine(
                            "\(span.range.lowerBound)-\(span.range.upperBound)  \(span.label)  "
                                + "\(ModelOptions.score(span.score))  \(span.word)")
                    }
                    // A blank line ends each text's answer.
                    if text == nil { try output.writeLine("") }
                }
            }
            try output.flush()
        }
    }

    private func json(_ spans: [TaggedSpan]) throws -> String {
        var writer = JSONWriter()
        writer.beginArray()
        for span in spans {
            writer.beginObject()
            writer.member(aggregation == .none ? "entity" : "entity_group", span.label)
            try writer.member("score", span.score)
            if let index = span.index, aggregation == .none { writer.member("index", index) }
            writer.member("word", span.word)
            writer.member("start", span.range.lowerBound)
            writer.member("end", span.range.upperBound)
            writer.endObject()
        }
        writer.endArray()
        return writer.text
    }
}

extension TokenTagger.Aggregation: ExpressibleByArgument {}
