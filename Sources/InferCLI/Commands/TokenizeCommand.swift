import ArgumentParser
import CommandSupport
import JSONCore
import Tokenization

/// `infer tokenize`: text to ids.
struct TokenizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenize",
        abstract: "Turns text into token ids.",
        discussion: "The text is taken as it is: no newline is added or dropped.")

    @Option(name: [.customShort("m"), .long], help: ModelArgument.help, completion: .directory)
    var model: String?

    @Argument(help: "The text; left out, standard input.")
    var text: String?

    @Flag(help: "Print one JSON array of ids for the whole input.")
    var json = false

    @Flag(help: "Read one JSON string a line and print one JSON array a line.")
    var jsonl = false

    @Flag(inversion: .prefixedNo, help: "Add the model's special tokens, such as the beginning of the sequence.")
    var special = true

    func validate() throws {
        if json && jsonl { throw ValidationError("--json and --jsonl exclude each other; give one of them") }
    }

    func run() throws {
        let input = try InputText.argumentOrStandardInput(text)
        let tokenizer = try TokenizerSource.load(model: model)
        var output = OutputWriter()
        if jsonl {
            for (number, line) in JSONLines(input) {
                let text = try JSONLines.string(line, number: number, name: inputName)
                try output.writeLine(JSONLines.array(encode(text, with: tokenizer)))
            }
        } else {
            let ids = try encode(input, with: tokenizer)
            try output.writeLine(json ? JSONLines.array(ids) : ids.map(String.init).joined(separator: " "))
        }
        try output.flush()
    }

    private var inputName: String { text == nil ? InputText.standardInputName : "TEXT" }

    private func encode(_ text: String, with tokenizer: Tokenizer) throws -> [Int] {
        try tokenizer.encode(text, addSpecialTokens: special)
    }
}
