internal import Inference
internal import JSONCore

/// An answer as the blocks that it is made of, in their order: reasoning, text and calls of tools. Works on a stream
/// and on a whole answer.
struct AnswerBlocks: Sendable {
    enum Block: Sendable, Equatable {
        case reasoning(String)
        case text(String)
        case call(id: String, ToolCall)
    }

    /// What happens to a block, which is named by its place. A call of a tool begins, brings its arguments and ends in
    /// one step.
    enum Event: Sendable, Equatable {
        case begin(Int)
        case delta(Int, String)
        case end(Int)
    }

    private(set) var blocks: [Block] = []
    private var parser: AnswerParser
    private let callLimit: Int
    private var isOpen = false

    init(_ reading: AnswerReading) {
        parser = AnswerParser(reading.format)
        callLimit = reading.callLimit
    }

    /// The blocks of an answer that is complete.
    init(_ reading: AnswerReading, whole text: String) {
        self.init(reading)
        _ = take(text)
        _ = finish()
    }

    /// Takes a piece of the answer and returns what it means for the blocks.
    mutating func take(_ text: String) -> [Event] { parser.push(text).flatMap { add($0) } }

    /// Ends the answer. An answer without any block becomes an empty text.
    mutating func finish() -> [Event] {
        var events = parser.finish().flatMap { add($0) }
        if blocks.isEmpty { events += begin(.text("")) }
        return events + end()
    }

    private mutating func add(_ part: AnswerParser.Part) -> [Event] {
        switch (part, blocks.last) {
        case (.text(let piece), .text(let text)) where isOpen:
            blocks[blocks.count - 1] = .text(text + piece)
            return [.delta(blocks.count - 1, piece)]
        case (.reasoning(let piece), .reasoning(let text)) where isOpen:
            blocks[blocks.count - 1] = .reasoning(text + piece)
            return [.delta(blocks.count - 1, piece)]
        case (.text(let piece), _):
            let events = end() + begin(.text(piece))
            return events + [.delta(blocks.count - 1, piece)]
        case (.reasoning(let piece), _):
            let events = end() + begin(.reasoning(piece))
            return events + [.delta(blocks.count - 1, piece)]
        case (.call(let call), _):
            guard calls.count < callLimit else { return [] }
            let events = end() + begin(.call(id: "call_" + Identifier.random(24), call))
            return events + [.delta(blocks.count - 1, call.arguments)] + end()
        }
    }

    private mutating func begin(_ block: Block) -> [Event] {
        blocks.append(block)
        isOpen = true
        return [.begin(blocks.count - 1)]
    }

    private mutating func end() -> [Event] {
        guard isOpen else { return [] }
        isOpen = false
        return [.end(blocks.count - 1)]
    }

    var text: String {
        blocks.map { if case .text(let text) = $0 { text } else { "" } }.joined()
    }

    /// The text of these blocks; `nil` where there was none.
    var reasoning: String? {
        let all = blocks.compactMap { if case .reasoning(let text) = $0 { text } else { nil } }
        return all.isEmpty ? nil : all.joined(separator: "\n")
    }

    var calls: [(id: String, call: ToolCall)] {
        blocks.compactMap { if case .call(let id, let call) = $0 { (id, call) } else { nil } }
    }

    /// The answer as a message of the conversation that the client may continue.
    var templateMessage: JSON {
        var message: JSON = ["role": "assistant", "content": .string(text)]
        if let reasoning { message["reasoning_content"] = .string(reasoning) }
        guard !calls.isEmpty else { return message }
        message["tool_calls"] = .array(
            calls.map { id, call in
                let arguments = try? JSONDocument(parsing: call.arguments, source: "arguments").root
                let function: JSON = [
                    "name": .string(call.name), "arguments": arguments.map { JSON($0) } ?? .object([]),
                ]
                return ["id": .string(id), "type": "function", "function": function]
            })
        return message
    }

    /// Whether the model ended its answer in order to call tools.
    func waitsForTools(_ result: GenerationResult?) -> Bool { !calls.isEmpty && result?.finishReason == .stop }
}

/// Which parts an answer is split into.
struct AnswerReading: Sendable {
    var format = AnswerFormat.plain
    /// At most so many calls of tools are returned; further ones are left out.
    var callLimit = Int.max
}

extension AnswerBlocks.Block {
    /// A call as OpenAI's chat API shows it.
    func chatCall(index: Int? = nil) -> JSON? {
        guard case .call(let id, let call) = self else { return nil }
        var json: JSON = index.map { ["index": .int($0)] } ?? .object([])
        json["id"] = .string(id)
        json["type"] = "function"
        json["function"] = ["name": .string(call.name), "arguments": .string(call.arguments)]
        return json
    }
}
