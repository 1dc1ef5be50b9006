public import Inference

/// A generator that takes triples out of texts, held to a JSON schema.
public final class ModelTripleExtractor: TripleExtractor {
    private let engine: Engine
    private let encoder: PromptEncoder
    private let maximumAnswerTokens: Int

    public let batchCount = 16

    static let schema = """
        {"type": "array", "maxItems": 12, "items": {"type": "object", "properties": {\
        "subject": {"type": "string", "minLength": 1, "maxLength": 80}, \
        "relation": {"type": "string", "minLength": 1, "maxLength": 60}, \
        "object": {"type": "string", "minLength": 1, "maxLength": 80}}, \
        "required": ["subject", "relation", "object"], "additionalProperties": false}}
        """
    private static let instruction = """
        List the facts that the text below states, as JSON: an array of objects with "subject", "relation" and "object". \
        Subject and object are names of people, places, things or terms, spelled as in the text; the relation is a few words. \
        List nothing that the text does not state.
        """
    private static let example = """
        Text: Marie Curie was born in Warsaw.
        Triples: [{"subject": "Marie Curie", "relation": "born in", "object": "Warsaw"}]
        """

    public init(_ engine: Engine, encoder: PromptEncoder, maximumAnswerTokens: Int = 512) {
        self.engine = engine
        self.encoder = encoder
        self.maximumAnswerTokens = max(min(maximumAnswerTokens, encoder.contextLength / 2), 1)
    }

    public func triples(in texts: [String]) async throws -> [[Triple]] {
        try await withThrowingTaskGroup(of: (Int, [Triple]).self) { group in
            for (index, text) in texts.enumerated() {
                group.addTask { (index, try await self.triples(in: text)) }
            }
            var found = [[Triple]](repeating: [], count: texts.count)
            for try await (index, triples) in group { found[index] = triples }
            return found
        }
    }

    private func triples(in text: String) async throws -> [Triple] {
        guard let (tokens, opensReasoning) = try prompt(text) else { return [] }
        let constraint = OutputConstraint(
            .jsonSchema(ModelTripleExtractor.schema), startsAfter: opensReasoning ? ["</think>"] : [])
        let updates = try engine.generate(
            GenerationRequest(promptTokens: tokens, maxTokens: maximumAnswerTokens, constraint: constraint))
        var answer = ""
        for try await update in updates { answer += update.text }
        if let end = answer.firstRange(of: "</think>") { answer = String(answer[end.upperBound...]) }
        return Triple.parse(answer: answer)
    }

    /// A text that is too long for the context loses its end.
    private func prompt(_ text: String) throws -> (tokens: [Int], opensReasoning: Bool)? {
        let budget = encoder.contextLength - maximumAnswerTokens
        var text = text
        while !text.isEmpty {
            let encoded = try encoder.tokens(of: message(encoder.harmless(text)))
            if encoded.tokens.count <= budget { return encoded }
            text = String(text.prefix(min(text.count * budget / encoded.tokens.count, text.count * 3 / 4)))
        }
        return nil
    }

    private func message(_ text: String) -> String {
        let isShort = encoder.contextLength < 1024
        let head = isShort ? "" : ModelTripleExtractor.instruction + "\n\n"
        return "\(head)\(ModelTripleExtractor.example)\n\nText: \(text)" + (encoder.isChat ? "" : "\nTriples:")
    }
}
