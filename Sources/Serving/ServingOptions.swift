/// How a server listens and what it allows.
package struct ServingOptions: Sendable {
    package var host = "127.0.0.1"
    /// The port to listen on; 0 takes a free one.
    package var port = 8080
    /// One of these keys must come with every request. Without any, no key is asked for.
    package var apiKeys: [String] = []
    /// Origins whose pages may call the server; `*` allows any. Without any, CORS is off.
    package var corsOrigins: [String] = []
    package var maxBodyByteCount = 32 << 20
    /// Seconds within which a request's body must have arrived.
    package var bodyTimeoutSeconds = 60
    /// Seconds after which a connection without a request is closed.
    package var idleTimeoutSeconds = 75
    /// Seconds between two pings on a stream that has nothing else to say.
    package var pingSeconds = 10.0
    /// Whether a single model answers to every name that a request may give.
    package var servesAnyModel = false
    /// Whether metrics also appear under the names that vLLM gives them.
    package var hasVLLMMetrics = false
    /// A listener of its own for `/metrics`, which asks for no key.
    package var metricsPort: Int?
    /// Seconds that running requests get to finish once the server is told to end.
    package var drainSeconds = 600
    /// Seconds without a pass, while there is work, after which `/health` fails.
    package var watchdogSeconds = 120.0
    /// How many answers of `/v1/responses` are kept for `previous_response_id`.
    package var storedResponseCount = 256
    /// Whether `/slots` and `/props` are answered.
    package var showsSlots = true
    package var version = ""

    package init() {}
}
