import ArgumentParser
import Inference

/// What `generate` holds its text to.
struct ConstraintOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Writes JSON that a schema accepts.", valueName: "file|json"))
    var jsonSchema: String?

    @Option(help: "Writes what the rule `root` of a grammar in llama.cpp's GBNF derives.", completion: .file())
    var grammar: String?

    @Option(help: "Writes what a regular expression matches as a whole.")
    var regex: String?

    @Option(help: ArgumentHelp("Writes one of some texts.", valueName: "a,b"))
    var choices: String?

    var isUsed: Bool { [jsonSchema, grammar, regex, choices].contains { $0 != nil } }

    func validate() throws {
        guard [jsonSchema, grammar, regex, choices].count(where: { $0 != nil }) <= 1 else {
            throw ValidationError("--json-schema, --grammar, --regex and --choices exclude each other")
        }
        guard !choiceTexts.contains("") else {
            throw ValidationError("--choices holds an empty text; separate texts by one comma each")
        }
    }

    private var choiceTexts: [String] {
        choices.map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) } ?? []
    }

    /// - Throws: ``InputError`` for a file that can not be read.
    func constraint() throws -> OutputConstraint? {
        if let jsonSchema { return .jsonSchema(try ConstraintOptions.text(orFile: jsonSchema)) }
        if let grammar { return .grammar(try InputText.file(grammar)) }
        if let regex { return .regex(regex) }
        return choiceTexts.isEmpty ? nil : .choices(choiceTexts)
    }

    /// JSON as it is, or a file that holds it.
    static func text(orFile value: String) throws -> String {
        let start = value.first { !$0.isWhitespace }
        return start == "{" || value == "true" || value == "false" ? value : try InputText.file(value)
    }
}
