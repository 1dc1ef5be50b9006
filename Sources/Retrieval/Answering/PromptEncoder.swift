internal import ChatTemplate
public import Inference
internal import Models
internal import Tokenization

/// How a question becomes the tokens of a generator: by the model's chat template, or as plain text to continue.
public struct PromptEncoder: Sendable {
    /// Tokens that a prompt and its answer share.
    public let contextLength: Int
    /// Whether the model answers messages; otherwise it continues a text.
    public let isChat: Bool
    private let controlTokens: [String]
    private let encode: @Sendable (String) throws -> (tokens: [Int], opensReasoning: Bool)

    /// - Parameter contextLength: less than the model's own, where it shall have less.
    /// - Throws: `InferenceError` for a model that does not generate or has no tokenizer.
    public init(_ package: ModelPackage, contextLength: Int? = nil) throws {
        let limit = try package.describe().maxContextLength
        guard let tokenizer = package.tokenizer else { throw InferenceError.tokenizerMissing(path: package.name) }
        var template: PromptTemplate?
        do {
            template = try package.promptTemplate()
        } catch InferenceError.chatTemplateMissing {
            template = nil
        }
        let tokens = tokenizer.addedTokens
        self.init(
            contextLength: min(contextLength ?? limit, limit), isChat: template != nil,
            controlTokens: tokens.values.filter { tokenizer.isSpecial($0.id) }.map(\.content)
        ) { [template] text in
            guard let template else { return (try package.promptTokens(for: text), false) }
            let messages: TemplateValue = [["role": "user", "content": .string(text)]]
            let prompt = try template.render([
                .init("messages", messages), .init("add_generation_prompt", true), .init("enable_thinking", false),
            ])
            let end = prompt.reversed().drop { $0.isWhitespace }.prefix("<think>".count)
            return (try package.chatTokens(for: prompt), String(end.reversed()) == "<think>")
        }
    }

    /// - Parameters:
    ///   - controlTokens: spellings that would become control tokens.
    ///   - encode: the tokens of a text, and whether they end with the beginning of the model's thoughts.
    public init(
        contextLength: Int, isChat: Bool, controlTokens: [String] = [],
        encode: @escaping @Sendable (String) throws -> (tokens: [Int], opensReasoning: Bool)
    ) {
        self.contextLength = contextLength
        self.isChat = isChat
        self.controlTokens = controlTokens.filter { $0.utf8.count > 1 }.sorted { $0.utf8.count > $1.utf8.count }
        self.encode = encode
    }

    func tokens(of text: String) throws -> (tokens: [Int], opensReasoning: Bool) { try encode(text) }

    /// A document's text in which no control token of the model is spelled, so that a document cannot end its source and
    /// speak as somebody else.
    func harmless(_ text: String) -> String {
        var text = text
        for token in controlTokens where text.contains(token) {
            let first = token.startIndex
            text.replace(token, with: "\(token[first]) \(token[token.index(after: first)...])")
        }
        return text
    }
}
