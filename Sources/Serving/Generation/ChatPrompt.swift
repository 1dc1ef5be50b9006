internal import Inference
internal import JSONCore
internal import Tokenization

/// A conversation as templates take it.
struct ChatPrompt: Sendable {
    var messages: [JSON]
    var tools: JSON?
    /// Further variables of the template.
    var variables: JSON = .object([])
    var addsGenerationPrompt = true
    /// The last message is continued instead of answered.
    var continuesFinalMessage = false

    /// The text that the model continues.
    func render(for model: ServedModel) throws(APIError) -> String {
        var text = ""
        for message in messages {
            text +=
                "<|im_start|>\(message["role"]?.stringValue ?? "")\n\(message["content"]?.stringValue ?? "")<|im_end|>\n"
        }
        if continuesFinalMessage { return try cutAfterFinalMessage(text) }
        return addsGenerationPrompt ? text + "<|im_start|>assistant\n" : text
    }

    /// The ids that the model continues.
    func tokens(for model: ServedModel) throws(APIError) -> [Int] {
        let text = try render(for: model)
        do {
            // Templates write the special tokens themselves.
            return try model.requireTokenizer().encode(text, addSpecialTokens: false)
        } catch {
            throw APIError(error)
        }
    }

    /// What a template wrote up to the end of the last message's text, as `transformers` cuts it.
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
    /// The conversation of a request, as `/apply-template` and `/tokenize` take it.
    init(_ fields: RequestFields) throws(APIError) {
        messages = try ChatMessages.read(fields)
        tools = try ChatMessages.tools(fields)
        if let variables = try fields.object("chat_template_kwargs") { self.variables = variables.json }
        continuesFinalMessage = try fields.bool("continue_final_message") ?? false
        addsGenerationPrompt = try fields.bool("add_generation_prompt") ?? !continuesFinalMessage
        if continuesFinalMessage, addsGenerationPrompt {
            throw .invalid(
                "continue_final_message", "continue_final_message and add_generation_prompt exclude one another")
        }
    }
}
