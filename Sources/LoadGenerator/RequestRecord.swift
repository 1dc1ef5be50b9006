import JSONCore

/// What is known of one request afterwards. Times are seconds on the run's clock.
package struct RequestRecord: Sendable, Hashable {
    /// When it was to be sent, and when it was.
    package var scheduledSeconds: Double
    package var startSeconds: Double
    /// Of each chunk with a token.
    package var tokenSeconds: [Double]
    /// As the server counts them, else as they were asked for.
    package var promptCount: Int
    /// As the server counts them, else the chunks.
    package var outputCount: Int
    /// `nil` where it succeeded.
    package var failure: Failure?

    package enum Failure: Sendable, Hashable, CustomStringConvertible {
        /// The connection could not be made, or broke.
        case connection(String)
        /// The server answered with something else than a stream of tokens.
        case response(String)

        package var description: String {
            switch self {
            case .connection(let reason), .response(let reason): reason
            }
        }
    }

    package init(
        scheduledSeconds: Double, startSeconds: Double, tokenSeconds: [Double], promptCount: Int, outputCount: Int,
        failure: Failure? = nil
    ) {
        self.scheduledSeconds = scheduledSeconds
        self.startSeconds = startSeconds
        self.tokenSeconds = tokenSeconds
        self.promptCount = promptCount
        self.outputCount = outputCount
        self.failure = failure
    }

    /// Whether it counts: it ended well and gave a token.
    package var isComplete: Bool { failure == nil && !tokenSeconds.isEmpty }

    /// TTFT: from sending the request to its first token.
    package var firstTokenSeconds: Double { (tokenSeconds.first ?? startSeconds) - startSeconds }

    /// E2EL: from sending the request to its last token.
    package var totalSeconds: Double { (tokenSeconds.last ?? startSeconds) - startSeconds }

    /// ITL: between chunks, one behind the other.
    package var intervals: [Double] { zip(tokenSeconds.dropFirst(), tokenSeconds).map { $0 - $1 } }

    /// TPOT: the mean time of a token after the first; `nil` where there is no such token.
    package var secondsPerOutputToken: Double? {
        outputCount > 1 ? (totalSeconds - firstTokenSeconds) / Double(outputCount - 1) : nil
    }

    /// One JSON object.
    package func json() -> String {
        var writer = JSONWriter()
        writer.beginObject()
        func add(_ name: String, _ value: Double) {
            writer.key(name)
            do { try writer.value(value) } catch { writer.null() }
        }
        add("scheduled_seconds", scheduledSeconds)
        add("start_seconds", startSeconds)
        add("ttft_seconds", firstTokenSeconds)
        add("e2el_seconds", totalSeconds)
        writer.member("prompt_tokens", promptCount)
        writer.member("output_tokens", outputCount)
        writer.key("itl_seconds")
        writer.beginArray()
        for interval in intervals { do { try writer.value(interval) } catch { writer.null() } }
        writer.endArray()
        if let failure { writer.member("failure", "\(failure)") }
        writer.endObject()
        return writer.text
    }
}
