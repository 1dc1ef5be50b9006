internal import Synchronization

/// How a caller's texts are read, apart from how the task was loaded.
package struct TextReading: Sendable {
    /// Tokens that longer texts are cut to, special ones included; `nil`: texts over the model's limit are an error.
    package var truncation: Int?
    /// The tokens of all texts that were computed.
    package let tally = TokenTally()

    package init(truncation: Int? = nil) { self.truncation = truncation }
}

/// Counts tokens.
package final class TokenTally: Sendable {
    private let sum = Mutex(0)

    package var count: Int { sum.withLock { $0 } }

    func add(_ count: Int) { sum.withLock { $0 += count } }
}

/// A task whose texts can be read in another way than it was loaded for.
package protocol ReadingTask: TextTask {
    /// Tokens of the longest text, special ones included.
    var maximumTokenCount: Int { get }

    /// The same task, with texts read in another way.
    func reading(_ reading: TextReading) -> Self
}

extension Embedder: ReadingTask {
    package func reading(_ reading: TextReading) -> Embedder {
        var embedder = self
        embedder.encoder = TextEncoder(encoder, reading: reading)
        return embedder
    }
}

extension TokenEmbedder: ReadingTask {
    package var maximumTokenCount: Int { embedder.maximumTokenCount }

    package func reading(_ reading: TextReading) -> TokenEmbedder { TokenEmbedder(embedder.reading(reading)) }
}
