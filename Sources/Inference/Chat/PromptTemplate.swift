public import ChatTemplate
internal import Models
public import Tokenization

/// A model's chat templates with its special tokens: conversations in, prompts out, as `apply_chat_template` of
/// transformers gives them.
///
/// Templates come from `tokenizer_config.json` (one, or several by name), `chat_template.jinja` beside it, or a GGUF
/// file's `tokenizer.chat_template`.
public struct PromptTemplate: Sendable {
    private let standard: ChatTemplate?
    private let named: [String: ChatTemplate]
    /// `bos_token`, `eos_token` and the other special tokens, which templates read.
    public let specialTokens: [TemplateValue.Member]
    private let name: String
    /// The template that is used because the model came without one; `nil`: the model has its own.
    public let fallback: FallbackTemplate?

    /// - Parameter name: what errors call the model.
    /// - Throws: ``InferenceError/chatTemplateMissing(path:)``, or `ChatTemplateError` where a template is not Jinja.
    public init(_ configuration: TokenizerConfiguration?, name: String) throws {
        guard let configuration, configuration.chatTemplate != nil || !configuration.namedChatTemplates.isEmpty else {
            throw InferenceError.chatTemplateMissing(path: name)
        }
        self.name = name
        fallback = nil
        standard = try configuration.chatTemplate.map { try ChatTemplate($0, name: "\(name): chat template") }
        named = Dictionary(
            uniqueKeysWithValues: try configuration.namedChatTemplates.map { key, source in
                (key, try ChatTemplate(source, name: "\(name): chat template '\(key)'"))
            })
        specialTokens = PromptTemplate.specialTokens(configuration)
    }

    /// The template that stands in for one that a model came without.
    public init(_ fallback: FallbackTemplate, _ configuration: TokenizerConfiguration?, name: String) throws {
        self.name = name
        self.fallback = fallback
        standard = try ChatTemplate(fallback.source, name: "\(name): \(fallback.summary)")
        named = [:]
        specialTokens = configuration.map(PromptTemplate.specialTokens) ?? []
    }

    /// Strings that end an answer, besides the model's end-of-sequence tokens.
    public var stopStrings: [String] { fallback?.stopStrings ?? [] }

    /// A notice for the user where the model came without a template.
    public var notice: String? {
        fallback.map { "\(name) has no chat template: the conversation is written as \($0.summary)" }
    }

    /// The special tokens that have a spelling, as variables.
    public static func specialTokens(_ configuration: TokenizerConfiguration) -> [TemplateValue.Member] {
        TokenizerConfiguration.Role.allCases.compactMap { role in
            configuration.token(for: role).map { TemplateValue.Member(role.rawValue, .string($0)) }
        }
    }

    /// The template for a conversation: `tool_use` where there are tools and such a one, else the default.
    private func template(hasTools: Bool) throws -> ChatTemplate {
        if hasTools, let template = named["tool_use"] { return template }
        guard let template = standard ?? named["default"] else {
            throw InferenceError.chatTemplateMissing(path: name)
        }
        return template
    }

    /// The text of the template for a conversation; empty where the model has none.
    package func source(hasTools: Bool) -> String { (try? template(hasTools: hasTools))?.source ?? "" }

    /// Renders a conversation.
    ///
    /// - Parameter variables: `messages`, and whatever else is given: `tools`, `add_generation_prompt` …; special
    ///   tokens are added where they are not among them.
    /// - Throws: `ChatTemplateError`, ``InferenceError``.
    public func render(_ variables: [TemplateValue.Member], date: TemplateDate? = nil) throws -> String {
        let hasTools = variables.contains { $0.key == "tools" && $0.value != .null }
        return try template(hasTools: hasTools).render(
            PromptTemplate.variables(variables, specialTokens: specialTokens), date: date)
    }

    /// The variables as transformers hands them to a template: `tools` and `documents` none and no generation prompt
    /// where they are left out; no member of a message that is null; a message's reasoning under each name that
    /// templates know.
    public static func variables(
        _ given: [TemplateValue.Member], specialTokens: [TemplateValue.Member] = []
    ) -> [TemplateValue.Member] {
        var result = specialTokens
        result += [.init("tools", .null), .init("documents", .null), .init("add_generation_prompt", false)]
        for member in given {
            result.append(member.key == "messages" ? .init("messages", withReasoning(member.value)) : member)
        }
        return result
    }

    private static func withReasoning(_ messages: TemplateValue) -> TemplateValue {
        guard case .array(let messages) = messages else { return messages }
        return .array(
            messages.map { message in
                guard case .object(var members) = message else { return message }
                members.removeAll { $0.value == .null }
                let message = TemplateValue.object(members)
                let names = ["reasoning_content", "thinking", "reasoning"]
                guard let reasoning = names.lazy.compactMap({ message[$0] }).first(where: { $0 != .null }) else {
                    return message
                }
                if message["thinking"] == nil { members.insert(.init("thinking", reasoning), at: 0) }
                members.removeAll { $0.key == "reasoning_content" }
                members.append(.init("reasoning_content", reasoning))
                return .object(members)
            })
    }
}

extension ModelPackage {
    /// The model's chat templates.
    /// - Throws: as ``PromptTemplate/init(_:name:)``.
    public func promptTemplate() throws -> PromptTemplate {
        try PromptTemplate(tokenizer?.configuration, name: name)
    }

    /// The model's chat templates, or where it came without one what stands in for it.
    /// - Throws: `ChatTemplateError` where a template of the model is not Jinja.
    public func conversationTemplate() throws -> PromptTemplate {
        do {
            return try promptTemplate()
        } catch InferenceError.chatTemplateMissing {
            let fallback: FallbackTemplate =
                kind == .encoderDecoder ? .lines : name == ModelPackage.bundledName ? .play : .chatML
            return try PromptTemplate(fallback, tokenizer?.configuration, name: name)
        }
    }

    /// A rendered conversation as ids.
    ///
    /// Templates write the special tokens themselves, so none is added; where there was no template, they are, as at the
    /// beginning of any text.
    /// - Throws: ``InferenceError`` where there is no tokenizer or no token; `TokenizationError`.
    public func chatTokens(for prompt: String, of template: PromptTemplate) throws -> [Int] {
        guard template.fallback != nil else { return try chatTokens(for: prompt) }
        return try promptTokens(for: prompt)
    }
}
