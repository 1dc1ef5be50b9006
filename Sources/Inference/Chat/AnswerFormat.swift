internal import JSONCore

/// A tool that a conversation offers: what is needed to read calls of it and to force them.
public struct OfferedTool: Sendable, Equatable {
    /// The name by which a call names the tool.
    public let name: String
    /// Parameters that the schema declares as strings. In formats that write values without quotes these are taken as
    /// they are written.
    public let stringParameters: Set<String>
    /// The JSON schema of the arguments, as text.
    public let parameters: String

    public init(name: String, stringParameters: Set<String> = [], parameters: String = #"{"type": "object"}"#) {
        self.name = name
        self.stringParameters = stringParameters
        self.parameters = parameters
    }
}

/// How a model marks its reasoning and its calls of tools. The format is found in the chat template, which writes the
/// same marks around earlier messages.
public struct AnswerFormat: Sendable, Equatable {
    /// The marks before and after a part of the answer.
    struct Marks: Sendable, Equatable {
        let begin: [UInt8]
        /// The closing mark; empty where the part reaches to the end of the answer.
        let end: [UInt8]

        init(_ begin: String, _ end: String) {
            self.begin = Array(begin.utf8)
            self.end = Array(end.utf8)
        }
    }

    /// The marks of reasoning; `nil` where the model does not reason.
    var reasoning: Marks?
    /// Whether the prompt already holds the mark that opens the reasoning.
    var beginsInReasoning = false
    /// The marks of calls. Calls are looked for only where tools are offered.
    var calls: [Marks] = []
    var tools: [OfferedTool] = []
    var reasoningPlace = ReasoningPlace.none
    var callStyle = CallStyle.bare(argumentsKey: "arguments")

    /// Whether the model reasons before its answer. Known also where reasoning is not shown apart.
    enum ReasoningPlace: Sendable, Equatable {
        /// The model does not reason, or the prompt closes the reasoning.
        case none
        /// The prompt opens the reasoning.
        case open(Marks)
        /// The answer may begin with reasoning.
        case ahead(Marks)
    }

    /// How the model writes calls of tools.
    enum CallStyle: Sendable, Equatable {
        /// Each call stands between `<tool_call>` and `</tool_call>`.
        case tagged
        /// A call is JSON without marks. Forced calls have this form too where the model would write another one,
        /// because it is read in every format.
        case bare(argumentsKey: String)
    }

    /// An answer that consists of text alone.
    public static let plain = AnswerFormat()

    private init() {}

    private static let reasoningMarks = [
        Marks("<think>", "</think>"), Marks("<seed:think>", "</seed:think>"), Marks("<reasoning>", "</reasoning>"),
    ]

    /// - Parameters:
    ///   - template: the text of the chat template.
    ///   - prompt: what it rendered, which the model continues.
    ///   - tools: what the model may call.
    ///   - separatesReasoning: whether reasoning is looked for; else it is text.
    public init(template: String, prompt: String, tools: [OfferedTool] = [], separatesReasoning: Bool = true) {
        let marks = AnswerFormat.reasoningMarks.first { marks in
            template.contains(String(decoding: marks.begin, as: UTF8.self))
                || template.contains(String(decoding: marks.end, as: UTF8.self))
        }
        if let marks {
            let end = prompt.utf8.reversed().drop { AnswerParser.isSpace($0) }
            if end.starts(with: marks.begin.reversed()) {
                reasoningPlace = .open(marks)
            } else {
                reasoningPlace = end.starts(with: marks.end.reversed()) ? .none : .ahead(marks)
            }
        }
        if separatesReasoning {
            reasoning = marks
            if case .open = reasoningPlace { beginsInReasoning = true }
        }
        self.tools = tools
        guard !tools.isEmpty else { return }
        if template.contains("<tool_call>"), !template.contains("<function="), !template.contains("<arg_key>") {
            callStyle = .tagged
        } else if template.contains(#""parameters": dictionary of"#) {
            // Llama 3 names the arguments of a call so.
            callStyle = .bare(argumentsKey: "parameters")
        }
        calls = [
            Marks("<tool_call>", "</tool_call>"), Marks("<function=", "</function>"), Marks("<|tool_call|>", ""),
            Marks("[TOOL_CALLS]", ""), Marks("<|python_tag|>", ""),
        ]
    }
}

extension AnswerFormat {
    /// Whether an answer consists of text alone.
    var isPlain: Bool { reasoning == nil && tools.isEmpty }

    /// The constraint of an answer that must have a form: reasoning is free, and the form begins behind it.
    /// - Parameter isContinuation: the prompt holds the beginning of the answer.
    public func constraint(_ form: OutputConstraint.Form, isContinuation: Bool = false) -> OutputConstraint {
        switch reasoningPlace {
        case .open(let marks):
            let end = String(decoding: marks.end, as: UTF8.self)
            return OutputConstraint(
                .sequence([AnswerFormat.lineBreaks, form]), startsAfter: [end], requiresStart: true)
        case .ahead(let marks) where !isContinuation:
            let thought: [OutputConstraint.Form] = [
                .choices([String(decoding: marks.begin, as: UTF8.self)]),
                .regex(AnswerFormat.pattern(without: marks.end)),
                .choices([String(decoding: marks.end, as: UTF8.self)]), AnswerFormat.lineBreaks,
            ]
            return OutputConstraint(.alternatives([form, .sequence(thought + [form])]))
        case .ahead, .none: return OutputConstraint(form)
        }
    }

    /// White space that models write between their reasoning and the answer.
    private static let lineBreaks = OutputConstraint.Form.regex("\n{0,2}")

    /// A regular expression of texts that do not contain a mark. It excludes a few more texts than it must, in which
    /// the mark's beginning is followed by its first character.
    package static func pattern(without mark: [UInt8]) -> String {
        let characters = mark.map { String(UnicodeScalar($0)) }
        guard let first = characters.first else { return "" }
        var rest = "[^\(first)\(characters.last ?? "")]"
        for character in characters.dropFirst().dropLast().reversed() {
            rest = "([^\(first)\(character)]|\(character)\(rest))"
        }
        return "([^\(first)]|\(first)+\(rest))*"
    }

    /// The constraint of an answer that is a call of one of some tools, in the form in which the model writes calls.
    /// - Parameter allowsSeveral: the answer may consist of several calls.
    public func callForm(of tools: [OfferedTool], allowsSeveral: Bool) -> OutputConstraint.Form {
        var argumentsKey = "arguments"
        if case .bare(let key) = callStyle { argumentsKey = key }
        let calls = tools.map { tool in
            OutputConstraint.Form.sequence([
                .choices(["{\"name\": \(JSON.string(tool.name).text), \"\(argumentsKey)\": "]),
                .jsonSchema(tool.parameters), .choices(["}"]),
            ])
        }
        let call = calls.count == 1 ? calls[0] : .alternatives(calls)
        switch callStyle {
        case .tagged:
            let tagged = OutputConstraint.Form.sequence([
                .choices(["<tool_call>\n"]), call, .choices(["\n</tool_call>"]),
            ])
            return allowsSeveral ? .repeated(tagged, separator: "\n") : tagged
        case .bare:
            guard allowsSeveral else { return call }
            return .sequence([.choices(["["]), .repeated(call, separator: ", "), .choices(["]"])])
        }
    }
}

extension PromptTemplate {
    /// The format of the answer to a prompt.
    public func answerFormat(
        prompt: String, tools: [OfferedTool] = [], separatesReasoning: Bool = true
    ) -> AnswerFormat {
        AnswerFormat(
            template: source(hasTools: !tools.isEmpty), prompt: prompt, tools: tools,
            separatesReasoning: separatesReasoning)
    }
}
