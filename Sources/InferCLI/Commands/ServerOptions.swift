#if HTTP
    import ArgumentParser
    import CommandSupport
    import Foundation
    import Logging
    import Serving

    /// How `infer serve` listens and what it allows.
    struct ServerOptions: ParsableArguments {
        @Option(help: "The address to listen on.")
        var host = "127.0.0.1"

        @Option(parsing: .unconditional, help: "The port to listen on; 0 takes a free one.")
        var port = 8080

        @Option(
            help: ArgumentHelp(
                "A key that requests must bring; may be repeated.",
                discussion: "The environment variable INFER_API_KEY, a list with commas, adds others."))
        var apiKey: [String] = []

        @Option(help: "A file with one API key a line.", completion: .file())
        var apiKeyFile: String?

        @Option(help: "A further name for a model, which requests may use; once for each --model.")
        var alias: [String] = []

        @Flag(help: "Takes every name in `model` for the one model there is.")
        var anyModel = false

        @Option(help: "An origin whose pages may ask, or *; may be repeated. Left out, CORS is off.")
        var corsOrigin: [String] = []

        @Option(parsing: .unconditional, help: "Bytes of the largest request body.")
        var maxBody = 32 << 20

        @Option(parsing: .unconditional, help: "Requests that may wait; more are answered with 503.")
        var maxQueue = 1024

        @Option(parsing: .unconditional, help: "Seconds that running requests get to finish after SIGTERM.")
        var drainTimeout = 600

        @Option(parsing: .unconditional, help: "Seconds in which a request's body must have arrived.")
        var bodyTimeout = 60

        @Option(parsing: .unconditional, help: "Seconds after which an idle connection is closed.")
        var idleTimeout = 75

        @Option(
            parsing: .unconditional, help: "Seconds without a pass, while there is work, after which /health fails.")
        var watchdog = 120

        @Option(help: "Adds the names of another server's metrics: vllm.")
        var metricsCompat: MetricsCompatibility?

        @Option(parsing: .unconditional, help: "Serves /metrics on this port too, without a key.")
        var metricsPort: Int?

        @Flag(help: "Logs one JSON object a line.")
        var logJson = false

        @Flag(help: "Answers /slots with 501.")
        var noSlots = false

        func validate() throws {
            try OptionRange.check("--port", port, in: 0...65_535)
            try OptionRange.check("--metrics-port", metricsPort, in: 0...65_535)
            try OptionRange.check("--max-body", maxBody, in: 1...(1 << 31))
            try OptionRange.check("--max-queue", maxQueue, in: 0...1_000_000)
            try OptionRange.check("--drain-timeout", drainTimeout, in: 0...86_400)
            try OptionRange.check("--body-timeout", bodyTimeout, in: 1...86_400)
            try OptionRange.check("--idle-timeout", idleTimeout, in: 1...86_400)
            try OptionRange.check("--watchdog", watchdog, in: 1...86_400)
            guard !apiKey.contains("") else { throw ValidationError("--api-key must not be empty") }
            guard !alias.contains("") else { throw ValidationError("--alias must not be empty") }
        }

        var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }

        func logger(verbose: Bool) -> Logger {
            guard logJson else { return StandardErrorLog.logger(verbose: verbose) }
            return Logger(label: "infer") { _ in JSONLog(logLevel: verbose ? .debug : .info) }
        }

        func servingOptions() throws -> ServingOptions {
            var options = ServingOptions()
            options.host = host
            options.port = port
            options.apiKeys = try keys()
            options.corsOrigins = corsOrigin
            options.maxBodyByteCount = maxBody
            options.drainSeconds = drainTimeout
            options.bodyTimeoutSeconds = bodyTimeout
            options.idleTimeoutSeconds = idleTimeout
            options.watchdogSeconds = Double(watchdog)
            options.servesAnyModel = anyModel
            options.hasVLLMMetrics = metricsCompat == .vllm
            options.metricsPort = metricsPort
            options.showsSlots = !noSlots
            options.version = Version.text
            return options
        }

        private func keys() throws -> [String] {
            var keys = apiKey
            if let list = ProcessInfo.processInfo.environment["INFER_API_KEY"] {
                keys += list.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
            }
            if let apiKeyFile {
                let lines = try InputText.file(apiKeyFile).split(whereSeparator: \.isNewline)
                let found = lines.map { $0.trimmingCharacters(in: .whitespaces) }.filter {
                    !$0.isEmpty && !$0.hasPrefix("#")
                }
                guard !found.isEmpty else {
                    throw CommandError.unsupported(option: "--api-key-file", value: apiKeyFile, reason: "holds no key")
                }
                keys += found
            }
            return keys.filter { !$0.isEmpty }
        }
    }

    /// `--metrics-compat`.
    enum MetricsCompatibility: String, ExpressibleByArgument, CaseIterable {
        case vllm
    }
#endif
