import JSONCore

/// What the chunks of one streamed completion tell, with the times at which they came.
///
/// As vLLM's `bench serve` takes it: a chunk with `choices` is a token, whatever its text; one with `usage` alone tells
/// the lengths.
package struct CompletionStream: Sendable {
    private var events = ServerSentEvents()
    /// Seconds on the run's clock, one a chunk with choices.
    package private(set) var tokenTimes: [Double] = []
    package private(set) var promptCount: Int?
    package private(set) var outputCount: Int?
    package private(set) var isDone = false
    /// Why the stream is no completion.
    package private(set) var failure: String?

    package init() {}

    /// Takes bytes of the body that came at `seconds`.
    package mutating func push(_ bytes: some Sequence<UInt8>, at seconds: Double) {
        guard failure == nil else { return }
        guard let completed = events.push(bytes) else {
            failure = "an event of over \(ServerSentEvents.maxEventByteCount) bytes"
            return
        }
        for event in completed where failure == nil { take(event, at: seconds) }
    }

    private mutating func take(_ event: String, at seconds: Double) {
        if event == "[DONE]" { return isDone = true }
        let root: JSONValue
        do {
            root = try JSONDocument(parsing: event, source: "an event of the stream").root
        } catch {
            return failure = "\(error)"
        }
        if let error = root["error"], !error.isNull {
            return failure = error["message"]?.string ?? error.string ?? "the server reports an error"
        }
        if let choices = root["choices"]?.array, choices.count > 0 {
            tokenTimes.append(seconds)
        } else if let usage = root["usage"], !usage.isNull {
            promptCount = usage["prompt_tokens"]?.int
            outputCount = usage["completion_tokens"]?.int
        }
    }
}
