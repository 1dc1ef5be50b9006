/// A question with numbered sources, as a generator gets it, within its context.
public struct AnswerPrompt: Sendable {
    public let text: String
    public let tokens: [Int]
    /// The sources that fit, each with as much of its text as fits.
    public let sources: [AnswerSource]
    /// Tokens that are kept for the answer.
    public let maximumAnswerTokens: Int
    /// Strings that end the answer of a model that only continues text, which would go on with a question of its own.
    public let stopStrings: [String]
    /// Whether the prompt ends inside the model's reasoning.
    public let opensReasoning: Bool

    private static let instruction = """
        Answer the question from the numbered sources below and from nothing else. After each statement name the sources \
        it comes from by their numbers in brackets, as [1] or [2][3]. If the sources do not answer the question, say so.
        """
    /// A shorter instruction, for contexts in which the long one would leave no room for a source.
    private static let shortInstruction = "Answer from these sources and cite them as [1]."

    /// Puts in as many sources as the context has room for beside the question and the answer. A source that does not fit
    /// is cut down to the sentences that have most to do with the question.
    /// - Parameters:
    ///   - weigh: how much a sentence has to do with the question.
    ///   - maximumAnswerTokens: at most half of the context is kept for the answer.
    /// - Throws: ``RetrievalError/contextTooSmall(contextLength:)`` where not even one sentence fits; what the encoder
    ///   throws.
    public init(
        question: String, sources: [AnswerSource], encoder: PromptEncoder, maximumAnswerTokens: Int,
        weigh: (String) -> Double
    ) throws {
        let answerTokens = max(min(maximumAnswerTokens, encoder.contextLength / 2), 1)
        let budget = encoder.contextLength - answerTokens
        func make(_ sources: [AnswerSource]) throws -> (text: String, tokens: [Int], opensReasoning: Bool) {
            let text = AnswerPrompt.text(question, sources, encoder)
            let encoded = try encoder.tokens(of: text)
            return (text, encoded.tokens, encoded.opensReasoning)
        }
        var chosen: [AnswerSource] = []
        for source in sources {
            var source = source
            source.number = chosen.count + 1
            if try make(chosen + [source]).tokens.count <= budget {
                chosen.append(source)
                continue
            }
            let before = chosen
            let text = try ContextCompression.compress(source.text, weigh: weigh) { text in
                source.text = text
                return try make(before + [source]).tokens.count <= budget
            }
            if let text {
                source.text = text
                chosen.append(source)
            }
            break
        }
        guard !chosen.isEmpty else { throw RetrievalError.contextTooSmall(contextLength: encoder.contextLength) }
        (text, tokens, opensReasoning) = try make(chosen)
        self.sources = chosen
        self.maximumAnswerTokens = min(answerTokens, encoder.contextLength - tokens.count)
        stopStrings = encoder.isChat ? [] : ["\nQuestion:", "\nSources:"]
    }

    private static func text(_ question: String, _ sources: [AnswerSource], _ encoder: PromptEncoder) -> String {
        let instruction = encoder.contextLength >= 1024 ? instruction : shortInstruction
        let list = sources.map { source in
            "[\(source.number)] \(encoder.harmless(source.title))\n\(encoder.harmless(source.text))"
        }.joined(separator: "\n\n")
        let text = "\(instruction)\n\nSources:\n\n\(list)\n\nQuestion: \(encoder.harmless(question))"
        return encoder.isChat ? text : text + "\nAnswer:"
    }
}
