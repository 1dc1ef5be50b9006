/// What a generator makes of a question before it is searched for.
public enum QueryTransform: String, Sendable, CaseIterable {
    /// A question that leans on the conversation before it is written so that it stands alone.
    case history
    /// The question is taken apart into some that are each searched for; what they find is fused.
    case subQueries = "sub-queries"
    /// A passage that might answer it is made up, and the vector arms look for what is like it. (Gao et al., 2022, "Precise
    /// Zero-Shot Dense Retrieval without Relevance Labels")
    case hyde
    /// The question is put in other words, each of which is searched for; what they find is fused. (Raudaschl, 2023,
    /// "RAG-Fusion")
    case paraphrases
}

/// A question with what a generator made of it.
public struct TransformedQuery: Sendable, Hashable {
    /// The question, standing alone; rerankers and answers go by it.
    public var question: String
    /// Further questions that are searched for beside it.
    public var others: [String]
    /// Made-up passages that take the question's part in the vector arms.
    public var passages: [String]

    public init(_ question: String, others: [String] = [], passages: [String] = []) {
        self.question = question
        self.others = others
        self.passages = passages
    }

    /// All that is searched for, the question first.
    public var queries: [String] { [question] + others }
}

/// Writes a text to a prompt.
public protocol QueryGenerator: Sendable {
    /// - Parameters:
    ///   - schema: the JSON schema that the text has to follow; `nil`: it is free.
    ///   - maximumTokenCount: of the text.
    func generate(_ prompt: String, schema: String?, maximumTokenCount: Int) async throws -> String
}

/// Has a generator transform questions. Where it writes nothing that can be used, the question stays as it is: a transform
/// can help a search, and never keep it from being done.
public struct QueryTransformer: Sendable {
    private let generator: any QueryGenerator
    /// Most sub-queries and paraphrases of each question.
    public var count: Int

    /// Characters that a generated question may have.
    static let maximumQuestionLength = 300
    /// Messages of a conversation that matter for its last question.
    static let maximumMessageCount = 12

    public init(_ generator: any QueryGenerator, count: Int = 3) {
        self.generator = generator
        self.count = max(count, 1)
    }

    /// - Parameters:
    ///   - transforms: done in the order history, sub-queries and paraphrases, HyDE, each once.
    ///   - history: what was said before the question, oldest first, as role and text.
    /// - Throws: what the generator throws.
    public func transform(
        _ question: String, by transforms: Set<QueryTransform>, history: [(role: String, text: String)] = []
    ) async throws -> TransformedQuery {
        var query = TransformedQuery(question)
        if transforms.contains(.history), !history.isEmpty {
            query.question = try await standalone(question, history) ?? question
        }
        for (transform, instruction) in [
            (QueryTransform.subQueries, QueryTransformer.subQueryInstruction),
            (.paraphrases, QueryTransformer.paraphraseInstruction),
        ] where transforms.contains(transform) {
            query.others += try await list(instruction, query.question)
        }
        var seen: Set<String> = [QueryTransformer.folded(query.question)]
        query.others = query.others.filter { seen.insert(QueryTransformer.folded($0)).inserted }
        if transforms.contains(.hyde) {
            let passage = try await generator.generate(
                QueryTransformer.passageInstruction + query.question, schema: nil, maximumTokenCount: 200)
            if let passage = QueryTransformer.trimmed(passage) { query.passages = [passage] }
        }
        return query
    }

    private static let subQueryInstruction =
        "Which simpler questions must be answered first, each findable in documents by itself, to answer this one? If it is "
        + "simple already, write it alone. Answer as JSON: {\"queries\": [\"…\"]}\n\nQuestion: "
    private static let paraphraseInstruction =
        "Write this question in other words that documents about it might use, keeping its meaning and its language. Answer "
        + "as JSON: {\"queries\": [\"…\"]}\n\nQuestion: "
    private static let passageInstruction =
        "Write a short passage, as a document might have it, that answers this question. Write only the passage.\n\nQuestion: "
    private static let standaloneInstruction =
        "Write the last question of this conversation so that it can be understood without the rest, keeping its language. "
        + "Answer as JSON: {\"question\": \"…\"}\n\n"

    private func standalone(_ question: String, _ history: [(role: String, text: String)]) async throws -> String? {
        let lines = history.suffix(QueryTransformer.maximumMessageCount).map { role, text in
            "\(role == "assistant" ? "Assistant" : "User"): \(text.prefix(1000))"
        }
        let prompt =
            QueryTransformer.standaloneInstruction + lines.joined(separator: "\n") + "\nUser: \(question)\n"
        let text = try await generator.generate(
            prompt, schema: QueryTransformer.questionSchema, maximumTokenCount: 160)
        return GeneratedJSON.string(text, "question").flatMap(QueryTransformer.trimmed)
    }

    private func list(_ instruction: String, _ question: String) async throws -> [String] {
        let text = try await generator.generate(
            instruction + question, schema: QueryTransformer.listSchema(count), maximumTokenCount: 96 * count)
        return GeneratedJSON.strings(text, "queries").compactMap(QueryTransformer.trimmed).prefix(count).map { $0 }
    }

    private static let text = "{\"type\":\"string\",\"minLength\":1,\"maxLength\":\(maximumQuestionLength)}"

    private static let questionSchema =
        "{\"type\":\"object\",\"properties\":{\"question\":\(text)},\"required\":[\"question\"],"
        + "\"additionalProperties\":false}"

    private static func listSchema(_ count: Int) -> String {
        "{\"type\":\"object\",\"properties\":{\"queries\":{\"type\":\"array\",\"items\":\(text),\"minItems\":1,"
            + "\"maxItems\":\(count)}},\"required\":[\"queries\"],\"additionalProperties\":false}"
    }

    /// `nil` for a text of blanks.
    private static func trimmed(_ text: String) -> String? {
        let words = text.split(whereSeparator: \.isWhitespace)
        return words.isEmpty ? nil : words.joined(separator: " ")
    }

    /// Questions that differ in case and marks alone are one.
    private static func folded(_ text: String) -> String {
        text.lowercased().filter { $0.isLetter || $0.isNumber }
    }
}
