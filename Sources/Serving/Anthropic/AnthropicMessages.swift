internal import JSONCore

/// The messages of Anthropic's API in the form that templates take.
enum AnthropicMessages {
    /// A line that some clients put first in the system prompt. It changes with every request and is removed, because
    /// with it the prefix cache would never match.
    private static let billingHeader = "x-anthropic-billing-header"

    static func prompt(_ fields: RequestFields) throws(APIError) -> ChatPrompt {
        var messages: [JSON] = []
        if let system = try system(fields) { messages.append(["role": "system", "content": .string(system)]) }
        let sent = try fields.objects("messages", atMost: ChatMessages.maximumCount)
        guard let sent, !sent.isEmpty else {
            throw .invalid("messages", "messages must hold at least one message")
        }
        for message in sent { messages += try read(message) }
        var prompt = ChatPrompt(
            messages: messages, tools: try ToolFields.messages(fields), shape: try AnswerShape.messages(fields))
        prompt.allowsParallelCalls = try fields.object("tool_choice")?.bool("disable_parallel_tool_use").map { !$0 }
        // A last message of the assistant is the beginning of the answer.
        if messages.last?["role"]?.stringValue == "assistant" {
            prompt.continuesFinalMessage = true
            prompt.addsGenerationPrompt = false
        }
        if let variables = try fields.object("chat_template_kwargs") { prompt.variables = variables.json }
        return prompt
    }

    private static func system(_ fields: RequestFields) throws(APIError) -> String? {
        guard let value = fields["system"] else { return nil }
        if let text = value.string { return isBilling(text) ? nil : text }
        guard value.array != nil else { throw fields.mismatch("system", expected: "a string or an array of blocks") }
        var texts: [String] = []
        for block in try fields.objects("system", atMost: 1024) ?? [] {
            guard try block.requireString("type") == "text" else { throw block.mismatch("type", expected: "text") }
            let text = try block.requireString("text")
            if !isBilling(text) { texts.append(text) }
        }
        return texts.isEmpty ? nil : texts.joined(separator: "\n")
    }

    private static func isBilling(_ text: String) -> Bool { text.hasPrefix(billingHeader) }

    /// One message as templates take it. Results of tools become messages of their own, before what else the user says.
    private static func read(_ fields: RequestFields) throws(APIError) -> [JSON] {
        let role = try fields.requireString("role")
        guard ["user", "assistant", "system"].contains(role) else {
            throw fields.mismatch("role", expected: "user or assistant")
        }
        let value = try fields.requireMember("content")
        if let text = value.string { return [["role": .string(role), "content": .string(text)]] }
        guard value.array != nil else { throw fields.mismatch("content", expected: "a string or an array of blocks") }
        var results: [JSON] = []
        var calls: [JSON] = []
        var texts: [String] = []
        var thinking: String?
        for block in try fields.objects("content", atMost: ChatMessages.maximumCount) ?? [] {
            switch try block.requireString("type") {
            case "text": texts.append(try block.requireString("text"))
            case "thinking": thinking = (thinking ?? "") + (try block.string("thinking") ?? "")
            case "redacted_thinking": break
            case "tool_use": calls.append(try toolUse(block))
            case "tool_result": results.append(try toolResult(block))
            case let type: throw .unsupported(block.name(of: "type"), "this model takes text and tools, not '\(type)'")
            }
        }
        if !calls.isEmpty, role != "assistant" {
            throw .invalid(fields.name(of: "content"), "only messages of the role assistant hold tool_use")
        }
        guard !texts.isEmpty || !calls.isEmpty || results.isEmpty else { return results }
        var message: JSON = ["role": .string(role), "content": .string(texts.joined(separator: "\n"))]
        if !calls.isEmpty { message["tool_calls"] = .array(calls) }
        if let thinking { message["reasoning_content"] = .string(thinking) }
        return results + [message]
    }

    private static func toolUse(_ block: RequestFields) throws(APIError) -> JSON {
        let input = try block.object("input")?.json ?? .object([])
        return [
            "id": .string(try block.requireString("id")), "type": "function",
            "function": ["name": .string(try block.requireString("name")), "arguments": input],
        ]
    }

    private static func toolResult(_ block: RequestFields) throws(APIError) -> JSON {
        [
            "role": "tool", "tool_call_id": .string(try block.requireString("tool_use_id")),
            "content": .string(try ChatMessages.text(block, "content") ?? ""),
        ]
    }
}
