import ArgumentParser
import CommandSupport
import JSONCore
import Tokenization

/// `infer detokenize`: ids to text.
struct DetokenizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "detokenize",
        abstract: "Turns token ids into text.",
        discussion: "Ids are separated by commas or spaces, or are one JSON array. No newline is added to the text.")

    @Option(name: [.customShort("m"), .long], help: ModelArgument.help, completion: .directory)
    var model: String?

    @Argument(help: "The ids; left out, standard input.")
    var ids: [String] = []

    @Flag(help: "Print the text as one JSON string.")
    var json = false

    @Flag(help: "Read one JSON array of ids a line and print one JSON string a line.")
    var jsonl = false

    @Flag(inversion: .prefixedNo, help: "Write special tokens such as the end of the sequence into the text.")
    var special = false

    func validate() throws {
        if json && jsonl { throw ValidationError("--json and --jsonl exclude each other; give one of them") }
    }

    func run() throws {
        let input = try InputText.argumentOrStandardInput(ids.isEmpty ? nil : ids.joined(separator: " "))
        let name = ids.isEmpty ? InputText.standardInputName : "IDS"
        let tokenizer = try TokenizerSource.load(model: model)
        var output = OutputWriter()
        if jsonl {
            for (number, line) in JSONLines(input) {
                let ids = try TokenIDs.parse(line, name: "\(name), line \(number)")
                try output.writeLine(JSONLines.string(decode(ids, with: tokenizer)))
            }
        } else {
            let text = try decode(TokenIDs.parse(input, name: name), with: tokenizer)
            try json ? output.writeLine(JSONLines.string(text)) : output.write(text)
        }
        try output.flush()
    }

    private func decode(_ ids: [Int], with tokenizer: Tokenizer) throws -> String {
        try tokenizer.decode(ids, skipSpecialTokens: !special)
    }
}
