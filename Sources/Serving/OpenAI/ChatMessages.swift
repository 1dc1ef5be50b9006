internal import JSONCore

/// The messages of OpenAI's chat API, checked and brought into the form that templates take.
enum ChatMessages {
    static let roles = ["system", "developer", "user", "assistant", "tool", "function"]
    /// Longer conversations than this are refused before they cost anything.
    static let maximumCount = 16_384

    static func read(_ fields: RequestFields, _ key: String = "messages") throws(APIError) -> [JSON] {
        _ = try fields.requireMember(key)
        let messages = try fields.objects(key, atMost: maximumCount) ?? []
        guard !messages.isEmpty else { throw .invalid(key, "\(key) must hold at least one message") }
        var result: [JSON] = []
        for message in messages { result.append(try read(message)) }
        return result
    }

    private static func read(_ fields: RequestFields) throws(APIError) -> JSON {
        let role = try fields.requireString("role")
        guard roles.contains(role) else {
            throw fields.mismatch("role", expected: "one of \(roles.joined(separator: ", "))")
        }
        let calls = try toolCalls(fields)
        var message: JSON = ["role": .string(role == "developer" ? "system" : role)]
        if let content = try text(fields, "content") {
            message["content"] = .string(content)
        } else if calls != nil || role == "assistant" {
            message["content"] = ""
        } else {
            throw .invalid(fields.name(of: "content"), "\(fields.name(of: "content")) is required")
        }
        if let calls {
            guard role == "assistant" else {
                throw .invalid(fields.name(of: "tool_calls"), "only messages of the role assistant call tools")
            }
            message["tool_calls"] = calls
        }
        for key in ["name", "tool_call_id", "reasoning_content"] {
            if let value = try fields.string(key) { message[key] = .string(value) }
        }
        return message
    }

    /// A string, or parts of type text, joined.
    static func text(_ fields: RequestFields, _ key: String) throws(APIError) -> String? {
        guard let value = fields[key] else { return nil }
        if let string = value.string { return string }
        guard value.array != nil else { throw fields.mismatch(key, expected: "a string or an array of parts") }
        var text = ""
        for part in try fields.objects(key, atMost: maximumCount) ?? [] {
            let type = try part.string("type") ?? "text"
            switch type {
            case "text", "input_text", "output_text": text += try part.requireString("text")
            case "refusal": text += try part.requireString("refusal")
            default: throw .unsupported(part.name(of: "type"), "this model takes parts of type text, not '\(type)'")
            }
        }
        return text
    }

    /// Calls with their arguments as objects, which is what templates go through.
    private static func toolCalls(_ fields: RequestFields) throws(APIError) -> JSON? {
        guard let calls = try fields.objects("tool_calls", atMost: 1024), !calls.isEmpty else { return nil }
        var result: [JSON] = []
        for call in calls {
            guard let function = try call.object("function") else {
                throw .invalid(call.name(of: "function"), "\(call.name(of: "function")) is required")
            }
            var shown: JSON = ["name": .string(try function.requireString("name"))]
            shown["arguments"] = try arguments(function)
            var entry: JSON = ["type": "function", "function": shown]
            if let id = try call.string("id") { entry["id"] = .string(id) }
            result.append(entry)
        }
        return .array(result)
    }

    private static func arguments(_ function: RequestFields) throws(APIError) -> JSON {
        guard let value = function["arguments"] else { return .object([]) }
        if value.object != nil { return JSON(value) }
        guard let text = value.string else { throw function.mismatch("arguments", expected: "a string of JSON") }
        guard !text.isEmpty else { return .object([]) }
        let name = function.name(of: "arguments")
        do {
            let root = try JSONDocument(parsing: text, source: name).root
            guard root.object != nil else { throw APIError.invalid(name, "\(name) must be the text of a JSON object") }
            return JSON(root)
        } catch let error as JSONError {
            throw .invalid(name, error.description)
        } catch {
            throw APIError(error)
        }
    }
}
