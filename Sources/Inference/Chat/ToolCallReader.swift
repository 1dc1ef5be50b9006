internal import JSONCore

/// A call of a tool that an answer makes.
public struct ToolCall: Sendable, Equatable {
    /// The name of the tool.
    public let name: String
    /// The text of a JSON object.
    public let arguments: String

    public init(name: String, arguments: String) {
        self.name = name
        self.arguments = arguments
    }
}

/// Reads the calls that models write.
enum ToolCallReader {
    /// The calls between the marks of a call. Any name is accepted: the caller, who offered the tools, decides what to
    /// do about one that is not among them.
    /// - Returns: no call where the text is none.
    static func calls(
        marked bytes: ArraySlice<UInt8>, _ marks: AnswerFormat.Marks, tools: [OfferedTool]
    ) -> [ToolCall] {
        if marks.begin == Array("<function=".utf8) { return function(bytes, tools).map { [$0] } ?? [] }
        let text = trimmed(bytes)
        if text.starts(with: Array("<function=".utf8)) {
            return function(text.dropFirst(10), tools).map { [$0] } ?? []
        }
        if let first = text.first, first == UInt8(ascii: "{") || first == UInt8(ascii: "[") {
            return calls(json: text, tools: nil)
        }
        return keyed(text, tools).map { [$0] } ?? []
    }

    /// One call as JSON, or an array of them.
    /// - Parameter tools: those that may be called; `nil`: any.
    static func calls(json bytes: ArraySlice<UInt8>, tools: [OfferedTool]?) -> [ToolCall] {
        let bytes = trimmed(bytes)
        guard let root = try? JSONDocument(parsing: Array(bytes), source: "tool call").root else { return [] }
        let values = root.array.map(Array.init) ?? [root]
        var result: [ToolCall] = []
        for value in values {
            guard let call = call(value), tools?.contains(where: { $0.name == call.name }) ?? true else { return [] }
            result.append(call)
        }
        return result
    }

    private static func call(_ value: JSONValue) -> ToolCall? {
        let value = value["function"].flatMap { $0.object == nil ? nil : $0 } ?? value
        guard let name = value["name"]?.string ?? value["function"]?.string, !name.isEmpty else { return nil }
        guard let arguments = value["arguments"] ?? value["parameters"] else {
            return ToolCall(name: name, arguments: "{}")
        }
        if arguments.object != nil { return ToolCall(name: name, arguments: JSON(arguments).text) }
        // Some models write the arguments as a string that holds JSON.
        guard let text = arguments.string else { return arguments.isNull ? ToolCall(name: name, arguments: "{}") : nil }
        guard let root = try? JSONDocument(parsing: text, source: "arguments").root, root.object != nil else {
            return nil
        }
        return ToolCall(name: name, arguments: JSON(root).text)
    }

    /// Whether an incomplete text may become a call in JSON: an object, or an array of objects, whose first member is
    /// one that calls have.
    static func mayBeCall(_ bytes: ArraySlice<UInt8>) -> Bool {
        var rest = bytes.drop(while: AnswerParser.isSpace)
        if rest.first == UInt8(ascii: "[") { rest = rest.dropFirst().drop(while: AnswerParser.isSpace) }
        guard let brace = rest.first else { return true }
        guard brace == UInt8(ascii: "{") else { return false }
        rest = rest.dropFirst().drop(while: AnswerParser.isSpace)
        return ["name", "type", "function", "parameters", "arguments", "id"].contains { key in
            let key = Array("\"\(key)\"".utf8)
            return rest.starts(with: key) || key.starts(with: rest)
        }
    }

    /// `NAME>{"a": 1}`, or `NAME>` and `<parameter=a>1</parameter>` for each argument. The mark before the name is read.
    private static func function(_ bytes: ArraySlice<UInt8>, _ tools: [OfferedTool]) -> ToolCall? {
        guard let bracket = bytes.firstIndex(of: UInt8(ascii: ">")) else { return nil }
        let name = String(decoding: trimmed(bytes[..<bracket]), as: UTF8.self)
        guard !name.isEmpty, !name.contains("<") else { return nil }
        var rest = trimmed(bytes[(bracket + 1)...])
        if rest.first == UInt8(ascii: "{") {
            guard let root = try? JSONDocument(parsing: Array(rest), source: "arguments").root, root.object != nil
            else { return nil }
            return ToolCall(name: name, arguments: JSON(root).text)
        }
        var arguments = JSON.object([])
        while let begin = AnswerParser.find(Array("<parameter=".utf8), in: rest) {
            rest = rest[(begin + 11)...]
            guard let bracket = rest.firstIndex(of: UInt8(ascii: ">")),
                let end = AnswerParser.find(Array("</parameter>".utf8), in: rest[bracket...])
            else { return nil }
            let key = String(decoding: trimmed(rest[..<bracket]), as: UTF8.self)
            arguments[key] = value(rest[(bracket + 1)..<end], of: key, tools.first { $0.name == name })
            rest = rest[(end + 12)...]
        }
        return ToolCall(name: name, arguments: arguments.text)
    }

    /// `NAME` and `<arg_key>a</arg_key><arg_value>1</arg_value>` for each argument.
    private static func keyed(_ bytes: ArraySlice<UInt8>, _ tools: [OfferedTool]) -> ToolCall? {
        let nameEnd = bytes.firstIndex { $0 == UInt8(ascii: "<") || $0 == UInt8(ascii: "\n") } ?? bytes.endIndex
        let name = String(decoding: trimmed(bytes[..<nameEnd]), as: UTF8.self)
        guard !name.isEmpty, !name.contains(" ") else { return nil }
        var arguments = JSON.object([])
        var rest = bytes[nameEnd...]
        while let key = element("arg_key", in: &rest) {
            guard let text = element("arg_value", in: &rest) else { return nil }
            let key = String(decoding: trimmed(key), as: UTF8.self)
            arguments[key] = value(text, of: key, tools.first { $0.name == name })
        }
        return trimmed(rest).isEmpty ? ToolCall(name: name, arguments: arguments.text) : nil
    }

    /// The text inside the next element of a name; `rest` then begins behind it.
    private static func element(_ name: String, in rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        let (open, close) = (Array("<\(name)>".utf8), Array("</\(name)>".utf8))
        guard let begin = AnswerParser.find(open, in: rest) else { return nil }
        let inner = rest[(begin + open.count)...]
        guard let end = AnswerParser.find(close, in: inner) else { return nil }
        rest = inner[(end + close.count)...]
        return inner[..<end]
    }

    /// A value without quotes: text for parameters that are strings, else JSON, and text where it is no JSON either.
    private static func value(_ bytes: ArraySlice<UInt8>, of key: String, _ tool: OfferedTool?) -> JSON {
        var bytes = bytes
        // The line breaks that separate the value from its marks do not belong to it.
        if bytes.first == UInt8(ascii: "\n") { bytes.removeFirst() }
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        let text = JSON.string(String(decoding: bytes, as: UTF8.self))
        if tool?.stringParameters.contains(key) ?? false { return text }
        guard let root = try? JSONDocument(parsing: Array(trimmed(bytes)), source: key).root else { return text }
        return JSON(root)
    }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var bytes = bytes.drop(while: AnswerParser.isSpace)
        while let last = bytes.last, AnswerParser.isSpace(last) { bytes.removeLast() }
        return bytes
    }
}
