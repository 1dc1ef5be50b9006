internal import ChatTemplate
internal import Inference
internal import JSONCore
internal import Tokenization

/// A conversation as templates take it.
struct ChatPrompt: Sendable {
    var messages: [JSON]
    var tools = ToolFields()
    /// The form that the request asks of the answer.
    var shape: AnswerShape?
    /// Further variables of the template, which the request gives.
    var variables: JSON = .object([])
    var addsGenerationPrompt = true
    /// Whether the last message is continued instead of answered.
    var continuesFinalMessage = false
    /// Whether reasoning is returned apart from the answer.
    var separatesReasoning = true
    /// The answer may hold several calls; `nil` where the request does not say.
    var allowsParallelCalls: Bool?

    /// The text that the model continues.
    func render(for model: ServedModel) throws(APIError) -> String {
        let text = try rendered(for: model)
        return continuesFinalMessage ? try cutAfterFinalMessage(text) : text
    }

    private func rendered(for model: ServedModel) throws(APIError) -> String {
        if let failure = model.templateFailure { throw .invalid("model", failure) }
        guard let template = model.promptTemplate else {
            throw .invalid("model", "\(model.name) has no chat template")
        }
        var members: [TemplateValue.Member] = []
        if case .object(let given) = variables { members = given.map { .init($0.key, TemplateValue($0.value)) } }
        members.append(.init("messages", .array(messages.map { TemplateValue($0) })))
        if let tools = tools.shown { members.append(.init("tools", TemplateValue(tools))) }
        members.append(.init("add_generation_prompt", .bool(addsGenerationPrompt)))
        do {
            return try template.render(members)
        } catch {
            throw .invalid("messages", "\(error)")
        }
    }

    /// The ids that the model continues.
    func tokens(for model: ServedModel) throws(APIError) -> [Int] {
        try ChatPrompt.tokens(of: render(for: model), for: model)
    }

    private static func tokens(of text: String, for model: ServedModel) throws(APIError) -> [Int] {
        do {
            if let languages = model.languages { return try languages.source(text, of: model.engine.package) }
            guard let template = model.promptTemplate else {
                return try model.requireTokenizer().encode(text, addSpecialTokens: false)
            }
            return try model.engine.package.chatTokens(for: text, of: template)
        } catch {
            throw APIError(error)
        }
    }

    /// The generation that answers the conversation.
    func job(for model: ServedModel, fields: SamplingFields, maxTokens: Int?) throws(APIError) -> GenerationJob {
        let text = try render(for: model)
        var job = GenerationJob(
            prompts: [try ChatPrompt.tokens(of: text, for: model)], fields: fields, maxTokens: maxTokens)
        guard let template = model.promptTemplate else { return job }
        job.reading.format = template.answerFormat(
            prompt: text, tools: tools.offered, separatesReasoning: separatesReasoning)
        job.reading.callLimit = allowsParallelCalls ?? true ? .max : 1
        // A model of plays never ends an answer by itself, so an answer has the length that the request asks for, else
        // one speech.
        let isAsLongAsAsked = job.ignoresEndOfSequence || (template.fallback == .play && maxTokens != nil)
        if !isAsLongAsAsked { job.endStrings = template.stopStrings }
        constrain(&job)
        return job
    }

    /// Applies the form that the request asks for, or that of the calls which it forces.
    private func constrain(_ job: inout GenerationJob) {
        let format = job.reading.format
        let calls: OutputConstraint.Form? =
            tools.callable.isEmpty
            ? nil : format.callForm(of: tools.callable, allowsSeveral: allowsParallelCalls ?? false)
        switch (shape, calls) {
        case (let shape?, nil):
            job.constraint = format.constraint(shape.form, isContinuation: continuesFinalMessage)
            job.constraintField = shape.field
        case (let shape?, let calls?) where !tools.choice.isForced:
            // The model may call a tool before it writes the answer.
            job.constraint = format.constraint(
                .alternatives([shape.form, calls]), isContinuation: continuesFinalMessage)
            job.constraintField = shape.field
        case (_, let calls?) where tools.choice.isForced:
            job.constraint = format.constraint(calls, isContinuation: continuesFinalMessage)
            job.constraintField = "tools"
        default: break
        }
        // The form decides where the answer ends.
        if job.constraint != nil { job.endStrings = [] }
    }

    /// What a template wrote up to the end of the last message's text. Cut as `transformers` does it.
    private func cutAfterFinalMessage(_ text: String) throws(APIError) -> String {
        guard let content = messages.last?["content"]?.stringValue else {
            throw .invalid("continue_final_message", "continue_final_message: the last message has no text")
        }
        let isSpace: (Character) -> Bool = { $0.isWhitespace }
        let leading = String(content.drop(while: isSpace))
        var trimmed = leading
        while let last = trimmed.last, last.isWhitespace { trimmed.removeLast() }
        guard !trimmed.isEmpty, let range = ChatPrompt.lastRange(of: trimmed, in: text) else {
            throw .invalid(
                "continue_final_message", "continue_final_message: the template does not show the last message's text")
        }
        if text[range.lowerBound...].hasPrefix(leading) { return String(text[..<range.lowerBound]) + leading }
        return String(text[..<range.upperBound])
    }

    private static func lastRange(of part: String, in text: String) -> Range<String.Index>? {
        text.ranges(of: part).last
    }
}

extension ChatPrompt {
    /// The conversation of a request to `/apply-template` or `/tokenize`.
    init(_ fields: RequestFields) throws(APIError) {
        messages = try ChatMessages.read(fields)
        tools = try ToolFields.chat(fields)
        shape = try AnswerShape.read(fields)
        if let variables = try fields.object("chat_template_kwargs") { self.variables = variables.json }
        allowsParallelCalls = try fields.bool("parallel_tool_calls")
        if let format = try fields.string("reasoning_format") {
            guard ["none", "auto", "deepseek"].contains(format) else {
                throw fields.mismatch("reasoning_format", expected: "none, auto or deepseek")
            }
            separatesReasoning = format != "none"
        }
        continuesFinalMessage = try fields.bool("continue_final_message") ?? false
        addsGenerationPrompt = try fields.bool("add_generation_prompt") ?? !continuesFinalMessage
        if continuesFinalMessage, addsGenerationPrompt {
            throw .invalid(
                "continue_final_message", "continue_final_message and add_generation_prompt exclude one another")
        }
    }
}

extension TemplateValue {
    init(_ json: JSON) {
        switch json {
        case .null: self = .null
        case .bool(let bool): self = .bool(bool)
        case .int(let int): self = .int(int)
        case .double(let double): self = .double(double)
        case .string(let string): self = .string(string)
        case .array(let elements): self = .array(elements.map { TemplateValue($0) })
        case .object(let members): self = .object(members.map { Member($0.key, TemplateValue($0.value)) })
        }
    }
}
