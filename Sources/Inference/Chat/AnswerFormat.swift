/// A tool that a conversation offers, as far as reading calls of it needs to know.
public struct OfferedTool: Sendable, Equatable {
    public let name: String
    /// Parameters that its schema declares as strings: their values are taken as they are written, where a format writes
    /// values without quotes.
    public let stringParameters: Set<String>

    public init(name: String, stringParameters: Set<String> = []) {
        self.name = name
        self.stringParameters = stringParameters
    }
}

/// How a model marks what is not the answer itself: its reasoning, and the tools it calls. Chat templates show it, since
/// they write the same marks around what was said before.
public struct AnswerFormat: Sendable, Equatable {
    /// What stands before and after something.
    struct Marks: Sendable, Equatable {
        let begin: [UInt8]
        /// Empty: up to the end of the answer.
        let end: [UInt8]

        init(_ begin: String, _ end: String) {
            self.begin = Array(begin.utf8)
            self.end = Array(end.utf8)
        }
    }

    /// Around reasoning, where the model reasons.
    var reasoning: Marks?
    /// The prompt has opened the reasoning already.
    var beginsInReasoning = false
    /// Around calls of tools; looked for only where tools are offered.
    var calls: [Marks] = []
    var tools: [OfferedTool] = []

    /// An answer that is all text.
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
        if separatesReasoning {
            reasoning = AnswerFormat.reasoningMarks.first { marks in
                template.contains(String(decoding: marks.begin, as: UTF8.self))
                    || template.contains(String(decoding: marks.end, as: UTF8.self))
            }
        }
        if let reasoning {
            let end = prompt.utf8.reversed().drop { AnswerParser.isSpace($0) }
            beginsInReasoning = end.starts(with: reasoning.begin.reversed())
        }
        self.tools = tools
        guard !tools.isEmpty else { return }
        calls = [
            Marks("<tool_call>", "</tool_call>"), Marks("<function=", "</function>"), Marks("<|tool_call|>", ""),
            Marks("[TOOL_CALLS]", ""), Marks("<|python_tag|>", ""),
        ]
    }
}

extension PromptTemplate {
    /// How the model marks reasoning and calls in the answer to a prompt.
    public func answerFormat(
        prompt: String, tools: [OfferedTool] = [], separatesReasoning: Bool = true
    ) -> AnswerFormat {
        AnswerFormat(
            template: source(hasTools: !tools.isEmpty), prompt: prompt, tools: tools,
            separatesReasoning: separatesReasoning)
    }
}
