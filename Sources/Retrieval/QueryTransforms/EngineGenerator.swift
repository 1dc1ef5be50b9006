public import Inference

/// A model of the engine's that transforms questions.
public struct EngineGenerator: QueryGenerator {
    private let engine: Engine
    private let encoder: PromptEncoder

    /// - Parameter encoder: of the engine's model and context.
    public init(_ engine: Engine, encoder: PromptEncoder) {
        self.engine = engine
        self.encoder = encoder
    }

    /// - Throws: `InferenceError`, also for a question that the context has no room for.
    public func generate(_ prompt: String, schema: String?, maximumTokenCount: Int) async throws -> String {
        let text = encoder.harmless(prompt)
        let encoded = try encoder.tokens(of: encoder.isChat ? text : text + "\nAnswer:")
        var request = GenerationRequest(
            promptTokens: encoded.tokens, sampling: .greedy,
            maxTokens: max(min(maximumTokenCount, encoder.contextLength - encoded.tokens.count), 1),
            stopStrings: encoder.isChat || schema != nil ? [] : ["\nQuestion:"])
        if let schema {
            request.constraint = .jsonSchema(schema)
            if encoded.opensReasoning {
                request.constraint?.startsAfter = ["</think>"]
                request.constraint?.requiresStart = true
                request.maxTokens = max(min(1024, encoder.contextLength - encoded.tokens.count), 1)
            }
        }
        var reasoning = ReasoningFilter(isOpen: encoded.opensReasoning)
        var answer = ""
        for try await update in try engine.generate(request) { answer += reasoning.read(update.text) }
        return answer + reasoning.finish()
    }
}
