import ArgumentParser
import CommandSupport
import Grammar
import Inference
import JSONCore
import Logging
import Tokenization

/// `infer grammar`: whether texts are what a schema, grammar or regular expression asks for, by the bytes and by the token
/// masks that generation uses.
struct GrammarCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grammar",
        abstract: "Checks texts against a JSON schema, a grammar or a regular expression.",
        discussion: """
            --check reads a text a line. With --schema a line is the JSON itself. With --grammar and --regex a line that \
            is a JSON string stands for the text in it, so that a text may have newlines; any other line is the text. \
            Prints {"accepted", "at"} a line: at is the byte where the text goes wrong.
            """)

    @Option(name: [.customShort("m"), .long], help: ModelArgument.help, completion: .directory)
    var model: String?

    @Option(help: ArgumentHelp("A JSON schema.", valueName: "file|json"))
    var schema: String?

    @Option(help: "A file with a grammar in llama.cpp's GBNF.", completion: .file())
    var grammar: String?

    @Option(help: "A regular expression that whole texts match.")
    var regex: String?

    @Option(help: "A file with a text a line; - reads standard input.", completion: .file())
    var check: String?

    @Flag(help: "Prints compile time and the time of a token mask, on standard error.")
    var stats = false

    func validate() throws {
        guard [schema, grammar, regex].count(where: { $0 != nil }) == 1 else {
            throw ValidationError("give one of --schema, --grammar and --regex")
        }
    }

    func run() throws {
        let tokenizer = try TokenizerSource.load(model: model)
        let endTokens = Set([tokenizer.id(for: .endOfSequence)].compactMap { $0 })
        let vocabulary = TokenVocabulary(tokenizer, endTokens: endTokens)
        let started = ContinuousClock.now
        let automaton = try GrammarAutomaton(try compiled(), vocabulary)
        let compileSeconds = (ContinuousClock.now - started).seconds
        for note in automaton.grammar.notes { StandardErrorLog.logger(verbose: false).notice("\(note)") }
        var checker = GrammarChecker(automaton: automaton, tokenizer: tokenizer)
        var output = OutputWriter()
        if let check {
            var lines = try TextLines(path: check)
            while let line = try lines.next(1).first {
                try output.writeLine(try verdict(line, &checker).json.text)
            }
        }
        try output.flush()
        if stats { checker.printStatistics(compileSeconds: compileSeconds) }
    }

    private func compiled() throws -> Grammar {
        if let schema { return try Grammar(jsonSchema: ConstraintOptions.text(orFile: schema)) }
        if let grammar { return try Grammar(gbnf: InputText.file(grammar)) }
        return try Grammar(regex: regex ?? "")
    }

    /// A line may be a text, or a JSON string that holds one: the usual reading counts, unless only the other one fits.
    private func verdict(_ line: String, _ checker: inout GrammarChecker) throws -> GrammarChecker.Verdict {
        let held = (try? JSONDocument(parsing: line))?.root.string
        let usual = schema == nil ? held ?? line : line
        let verdict = try checker.check(usual)
        guard !verdict.isAccepted, let held else { return verdict }
        if schema != nil, !(held.hasPrefix("{") || held.hasPrefix("[")) { return verdict }
        let other = try checker.check(schema == nil ? line : held)
        return other.isAccepted ? other : verdict
    }
}
