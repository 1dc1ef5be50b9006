import ArgumentParser
import CommandSupport
import Inference
import JSONCore

/// `infer translate`: target texts of encoder-decoders.
struct TranslateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "translate", abstract: "Writes a text after reading another, as encoder-decoders do.",
        discussion: """
            Options that are left out are as the model's generation_config.json says. A text's score is the sum of its \
            tokens' log-probabilities over its length to the power of the length penalty.
            """)

    @Argument(help: "The text; left out, the lines of standard input.") var text: String?

    @Option(help: "Texts held at once; 1 takes the best token each time.") var beams: Int?

    @OptionGroup var search: SearchFlags

    @Option(help: "Tokens of the longest text.") var maxTokens: Int?

    @Option(help: ArgumentHelp("The first token of texts.", valueName: "id")) var forcedBos: Int?

    @Option(help: ArgumentHelp("The language of the text, as the tokenizer names it.", valueName: "language"))
    var from: String?

    @Option(help: ArgumentHelp("The language to write, as the tokenizer names it.", valueName: "language"))
    var to: String?

    @Flag(help: "Cut texts that are over the model's limit.") var truncate = false

    @OptionGroup var list: TextListOptions
    @OptionGroup(title: "Model") var model: ModelOptions

    func validate() throws {
        try search.check(beams: beams)
        try OptionRange.check("--max-tokens", maxTokens, in: 1...(1 << 16))
        try OptionRange.check("--forced-bos", forcedBos, in: 0...(1 << 30))
        try list.check([text].compactMap { $0 })
    }

    func run() async throws {
        var search = search.options(beams: beams, maxTokens: maxTokens)
        search.forcedFirstToken = forcedBos
        let package = try model.openPackage()
        let task = try Translator(
            package, on: try model.makeBackend(), search: search, from: from, to: to,
            options: model.taskOptions(truncates: truncate))
        var output = OutputWriter()
        try list.forEachBatch(of: [text].compactMap { $0 }) { texts, _ in
            for translations in try task.run(texts) {
                if list.json {
                    try output.writeLine(try json(translations))
                } else {
                    for translation in translations { try output.writeLine(translation.text) }
                }
            }
            try output.flush()
        }
    }

    private func json(_ translations: [Translation]) throws -> String {
        var writer = JSONWriter()
        writer.beginArray()
        for translation in translations {
            writer.beginObject()
            writer.member("token_ids", translation.tokens)
            writer.member("text", translation.text)
            if let score = translation.score { try writer.member("score", score) }
            writer.endObject()
        }
        writer.endArray()
        return writer.text
    }
}
