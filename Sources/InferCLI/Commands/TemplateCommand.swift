import ArgumentParser
import ChatTemplate
import CommandSupport
import Inference
import JSONCore
import Tokenization

/// `infer template`: a conversation as the text of a prompt.
struct TemplateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "template",
        abstract: "Renders a chat template.",
        discussion: """
            The file is a JSON object with messages, tools, add_generation_prompt and any other variable, or an array of
            messages. The text is printed byte for byte, without a newline at its end.
            """)

    @Option(name: [.customShort("m"), .long], help: ModelArgument.help, completion: .directory)
    var model: String?

    @Option(help: "A JSON file with the conversation; - for standard input.", completion: .file())
    var messages: String

    @Option(help: "A Jinja file instead of the model's own template.", completion: .file())
    var template: String?

    @Option(help: ArgumentHelp("What strftime_now sees; left out, now.", valueName: "YYYY-MM-DD[THH:MM:SS]"))
    var date: DateArgument?

    func run() throws {
        let name = messages == "-" ? InputText.standardInputName : messages
        let text = try messages == "-" ? InputText.argumentOrStandardInput(nil) : InputText.file(messages)
        let options = JSONReadingOptions(allowsNonFiniteNumbers: true)
        let root = try JSONDocument(parsing: text, source: name, options: options).root
        let variables: [TemplateValue.Member]
        switch TemplateValue(root) {
        case .object(let members): variables = members
        case let value: variables = [.init("messages", value)]
        }
        guard let last = variables.last(where: { $0.key == "messages" }), case .array = last.value else {
            throw JSONError.typeMismatch(
                source: name, path: "messages", expected: "an array of messages", found: "none")
        }
        var output = OutputWriter()
        try output.write(render(variables))
        try output.flush()
    }

    private func render(_ variables: [TemplateValue.Member]) throws -> String {
        guard let template else {
            let configuration = try TokenizerSource.load(model: model).configuration
            let name = model ?? ModelPackage.bundledName
            return try PromptTemplate(configuration, name: name).render(variables, date: date?.date)
        }
        let special = try model.map {
            PromptTemplate.specialTokens(try TokenizerSource.load(model: $0).configuration)
        }
        return try ChatTemplate(InputText.file(template), name: template)
            .render(PromptTemplate.variables(variables, specialTokens: special ?? []), date: date?.date)
    }
}

/// `--date 2026-01-15`, with a time where wanted.
struct DateArgument: ExpressibleByArgument {
    let date: TemplateDate

    init?(argument: String) {
        guard let date = TemplateDate(argument) else { return nil }
        self.date = date
    }
}
