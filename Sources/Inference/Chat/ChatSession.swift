internal import ChatTemplate
internal import Tokenization

/// One message of a conversation.
public struct ChatMessage: Sendable, Equatable {
    /// The role of its author: `system`, `user`, `assistant`, or another one that the model's template knows.
    public var role: String
    /// The text of the message.
    public var content: String

    public init(role: String, content: String) {
        self.role = role
        self.content = content
    }

    var value: TemplateValue { ["role": .string(role), "content": .string(content)] }
}

/// A conversation with a model: messages in, a stream out. Keeps the history, and continues it by the model's own chat
/// template; what the engine has cached of the history is not computed again.
///
///     let session = try ChatSession(engine: engine, system: "Answer in one sentence.")
///     for try await update in try await session.send("What is a KV cache?") {
///         print(update.text, terminator: "")
///     }
///
/// An answer joins the history when its stream ends, and what there was of it when the stream is dropped.
public actor ChatSession {
    private nonisolated let engine: Engine
    private nonisolated let template: PromptTemplate
    /// How tokens are chosen, from the next message on.
    public var sampling: SamplingParameters
    /// The most tokens of an answer; `nil`: until the model ends it or the context is full.
    public var maxTokens: Int?
    /// An answer ends before the first of these strings.
    public var stopStrings: [String]
    /// What was said so far, oldest first.
    public private(set) var messages: [ChatMessage]

    /// - Parameter template: how the conversation is written; `nil`: by the model's own template, which it must have.
    /// - Throws: ``InferenceError/chatTemplateMissing(path:)`` or `ChatTemplateError`.
    public init(
        engine: Engine, template: PromptTemplate? = nil, system: String? = nil, sampling: SamplingParameters = .greedy,
        maxTokens: Int? = nil, stopStrings: [String] = []
    ) throws {
        self.engine = engine
        self.template = try template ?? engine.package.promptTemplate()
        self.sampling = sampling
        self.maxTokens = maxTokens
        self.stopStrings = stopStrings
        messages = system.map { [ChatMessage(role: "system", content: $0)] } ?? []
    }

    /// Adds a message of the user and answers it.
    /// - Throws: `ChatTemplateError` where the template refuses the conversation, ``InferenceError`` where it does not
    ///   fit the context; the history is then as before. Errors of the device arrive on the stream.
    public func send(_ text: String) throws -> AsyncThrowingStream<GenerationUpdate, any Error> {
        messages.append(ChatMessage(role: "user", content: text))
        do {
            return try answer()
        } catch {
            messages.removeLast()
            throw error
        }
    }

    /// Drops the last answer and gives another one to the same message.
    /// - Returns: nil where there is no message to answer.
    /// - Throws: as ``send(_:)``.
    public func regenerate() throws -> AsyncThrowingStream<GenerationUpdate, any Error>? {
        let before = messages
        if messages.last?.role == "assistant" { messages.removeLast() }
        guard messages.last?.role == "user" else {
            messages = before
            return nil
        }
        do {
            return try answer()
        } catch {
            messages = before
            throw error
        }
    }

    /// Removes all messages except the system prompt.
    public func clear() {
        messages = messages.first.map { $0.role == "system" ? [$0] : [] } ?? []
    }

    /// Sets the system prompt; `nil` removes it.
    public func setSystem(_ text: String?) {
        if messages.first?.role == "system" { messages.removeFirst() }
        if let text { messages.insert(ChatMessage(role: "system", content: text), at: 0) }
    }

    /// Replaces the whole history.
    public func restore(_ messages: [ChatMessage]) { self.messages = messages }

    private func answer() throws -> AsyncThrowingStream<GenerationUpdate, any Error> {
        let prompt = try template.render([
            .init("messages", .array(messages.map(\.value))), .init("add_generation_prompt", true),
        ])
        let request = GenerationRequest(
            promptTokens: try engine.package.chatTokens(for: prompt, of: template), sampling: sampling,
            maxTokens: maxTokens, stopStrings: stopStrings + template.stopStrings)
        let updates = try engine.generate(request)
        return AsyncThrowingStream { continuation in
            let task = Task {
                var answer = ""
                do {
                    for try await update in updates {
                        answer += update.text
                        continuation.yield(update)
                    }
                    self.keep(answer)
                    continuation.finish()
                } catch {
                    self.keep(answer)
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { termination in
                if case .cancelled = termination { task.cancel() }
            }
        }
    }

    private func keep(_ answer: String) {
        guard !answer.isEmpty, messages.last?.role == "user" else { return }
        // Earlier reasoning is not shown to the model again.
        let spoken = answer.ranges(of: "</think>").last.map { String(answer[$0.upperBound...]) } ?? answer
        messages.append(ChatMessage(role: "assistant", content: spoken.trimmingPrefix { $0 == "\n" }.description))
    }
}

extension ModelPackage {
    /// A rendered chat template as ids. The template writes the special tokens itself, so none is added.
    /// - Throws: ``InferenceError`` where there is no tokenizer or no token; `TokenizationError`.
    public func chatTokens(for prompt: String) throws -> [Int] {
        guard let tokenizer else { throw InferenceError.tokenizerMissing(path: name) }
        let tokens = try tokenizer.encode(prompt, addSpecialTokens: false)
        guard !tokens.isEmpty else { throw InferenceError.emptyPrompt }
        return tokens
    }
}
