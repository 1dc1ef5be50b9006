/// How a server listens and what it allows.
package struct ServingOptions: Sendable {
    package var host = "127.0.0.1"
    /// 0 takes a free one.
    package var port = 8080
    /// One of these must come with every request; none: anyone may ask.
    package var apiKeys: [String] = []
    /// Origins whose pages may ask; `*` is any, none switches CORS off.
    package var corsOrigins: [String] = []
    package var maxBodyByteCount = 32 << 20
    /// In which a request's body must have arrived.
    package var bodyTimeoutSeconds = 60
    /// After which a connection without a request is closed.
    package var idleTimeoutSeconds = 75
    /// Between two pings on a stream that has nothing else to say.
    package var pingSeconds = 10.0
    /// One model takes every name.
    package var servesAnyModel = false
    /// Adds the names of vLLM's metrics.
    package var hasVLLMMetrics = false
    /// A listener of its own for `/metrics`, without a key.
    package var metricsPort: Int?
    /// Seconds that running requests get to finish once the server is told to end.
    package var drainSeconds = 600
    /// Seconds without a pass, while there is work, after which `/health` fails.
    package var watchdogSeconds = 120.0
    /// Answers of `/v1/responses` that are kept for `previous_response_id`.
    package var storedResponseCount = 256
    /// `/slots` and `/props` are answered.
    package var showsSlots = true
    package var version = ""

    package init() {}
}
