import ArgumentParser
import CommandSupport
import Inference
import JSONCore

/// `infer fill-mask`: tokens for masked places.
struct FillMaskCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fill-mask", abstract: "Fills the masked places of a text with tokens.",
        discussion: "Write the tokenizer's mask token, such as [MASK] or <mask>, where a token is to be put.")

    @Argument(help: "The text; left out, the lines of standard input.") var text: String?

    @Option(help: "Tokens given for each mask.") var topK = 5

    @Option(help: ArgumentHelp("The only words to choose from.", valueName: "a,b")) var targets: String?

    @Flag(help: "Cut texts that are over the model's limit.") var truncate = false

    @OptionGroup var list: TextListOptions
    @OptionGroup(title: "Model") var model: ModelOptions

    func validate() throws {
        try OptionRange.check("--top-k", topK, in: 1...(1 << 20))
        try list.check([text].compactMap { $0 })
    }

    func run() async throws {
        let package = try model.openPackage()
        let task = try FillMask(
            package, on: try model.makeBackend(), candidateCount: topK,
            targets: targets?.split(separator: ",").map(String.init), options: model.taskOptions(truncates: truncate))
        var output = OutputWriter()
        try list.forEachBatch(of: [text].compactMap { $0 }) { texts, _ in
            for masks in try task.run(texts) {
                try output.writeLine(list.json ? try json(masks) : FillMaskCommand.lines(masks))
            }
            try output.flush()
        }
    }

    private func json(_ masks: [[MaskCandidate]]) throws -> String {
        var writer = JSONWriter()
        if masks.count != 1 { writer.beginArray() }
        for candidates in masks {
            writer.beginArray()
            for candidate in candidates {
                writer.beginObject()
                try writer.member("score", candidate.score)
                writer.member("token", candidate.token)
                writer.member("token_str", candidate.text)
                writer.member("sequence", candidate.sequence)
                writer.endObject()
            }
            writer.endArray()
        }
        if masks.count != 1 { writer.endArray() }
        return writer.text
    }

    private static func lines(_ masks: [[MaskCandidate]]) -> String {
        masks.map { candidates in
            candidates.map { "\(ModelOptions.score($0.score))  \($0.text)  \($0.sequence)" }.joined(separator: "\n")
        }.joined(separator: "\n\n")
    }
}
