import JSONCore
package import TensorCore

/// One request before it is sent.
package struct PlannedRequest: Sendable, Hashable {
    /// After the start of the run.
    package var seconds: Double
    package var promptCount: Int
    package var outputCount: Int

    package init(seconds: Double, promptCount: Int, outputCount: Int) {
        self.seconds = seconds
        self.promptCount = promptCount
        self.outputCount = outputCount
    }
}

/// Which of the two completion interfaces is driven.
package enum CompletionEndpoint: String, Sendable, Hashable, CaseIterable {
    case completions, chat

    package var path: String { self == .chat ? "/v1/chat/completions" : "/v1/completions" }
}

/// How requests are written: the same for every server.
package struct RequestWriter: Sendable {
    package var endpoint: CompletionEndpoint
    package var model: String
    package var ignoresEndOfSequence: Bool
    /// Prompts are ids below this number; `nil`: words.
    package var vocabularySize: Int?

    package init(
        endpoint: CompletionEndpoint, model: String, ignoresEndOfSequence: Bool, vocabularySize: Int? = nil
    ) {
        self.endpoint = endpoint
        self.model = model
        self.ignoresEndOfSequence = ignoresEndOfSequence
        self.vocabularySize = vocabularySize
    }

    /// The JSON of a request with a random prompt.
    package func body(_ request: PlannedRequest, random: inout SplitMix64) -> String {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("model", model)
        switch endpoint {
        case .completions:
            if let vocabularySize {
                writer.member(
                    "prompt", random.tokens(request.promptCount, vocabularySize: vocabularySize).map(Int.init))
            } else {
                writer.member("prompt", RequestWriter.words(request.promptCount, random: &random))
            }
            writer.member("max_tokens", request.outputCount)
        case .chat:
            writer.key("messages")
            writer.beginArray()
            writer.beginObject()
            writer.member("role", "user")
            writer.member("content", RequestWriter.words(request.promptCount, random: &random))
            writer.endObject()
            writer.endArray()
            writer.member("max_completion_tokens", request.outputCount)
        }
        writer.member("temperature", 0)
        writer.member("stream", true)
        writer.key("stream_options")
        writer.beginObject()
        writer.member("include_usage", true)
        writer.endObject()
        if ignoresEndOfSequence { writer.member("ignore_eos", true) }
        writer.endObject()
        return writer.text
    }

    /// Words that most vocabularies hold as one token each; servers that report usage tell how many they were.
    static func words(_ count: Int, random: inout SplitMix64) -> String {
        (0..<count).map { _ in vocabulary[Int(random.next() % UInt64(vocabulary.count))] }.joined(separator: " ")
    }

    private static let vocabulary = [
        "the", "of", "and", "to", "in", "is", "was", "he", "for", "it", "with", "as", "his", "on", "be", "at", "by",
        "had", "not", "are", "but", "from", "or", "have", "an", "they", "which", "one", "you", "were", "her", "all",
        "she", "there", "would", "their", "we", "him", "been", "has", "when", "who", "will", "more", "no", "if",
        "out", "so", "said", "what", "up", "its", "about", "into", "than", "them", "can", "only", "other", "new",
        "some", "could", "time", "these",
    ]
}
