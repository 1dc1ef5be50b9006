package import ArgumentParser
import CommandSupport
import Foundation
import JSONCore
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import TensorCore

/// `bench serve`: load on a server.
package struct ServeCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Puts load on an OpenAI-compatible server and measures its latencies.",
        discussion: """
            An open loop: requests are sent at their times, whatever the server answers. Rates and concurrencies may be
            lists; every pair is a run and gives a row. TTFT, TPOT, ITL, E2EL and goodput are those of vLLM's bench serve.
            Rows are printed as runs end; where the server dies, what was measured before stays.
            """)

    @Option(help: ArgumentHelp("Where the server listens.", valueName: "http://host:port"))
    var url = "http://127.0.0.1:8080"

    @Option(name: [.customShort("m"), .long], help: "The model to ask for; left out, the first that the server lists.")
    var model: String?

    @Option(help: "completions or chat.")
    var endpoint = CompletionEndpoint.completions

    @Option(help: "Requests of each run; with a trace, at most so many of its first.")
    var requests = 100

    @Option(help: ArgumentHelp("Requests a second, as 1,2,4 or inf: all at once.", valueName: "rates"))
    var requestRate = RateList([.infinity])

    @Option(
        help: "Shape of the gamma distribution of intervals: 1 is a Poisson process, less comes in bursts; inf is even."
    )
    var burstiness = 1.0

    @Option(help: "Requests under way at most, as 1,2,4,8; left out, as many as come.")
    var maxConcurrency: CountList?

    @Option(help: "Tokens of each prompt.")
    var inputLength = 128

    @Option(help: "Tokens of each answer.")
    var outputLength = 64

    @Option(
        help: ArgumentHelp(
            "Arrival times and lengths: a CSV with TIMESTAMP,ContextTokens,GeneratedTokens.", valueName: "csv"),
        completion: .file())
    var trace: String?

    @Option(help: "The trace's times are divided by this.")
    var traceSpeed = 1.0

    @Option(help: ArgumentHelp("What a request must keep to be good, in milliseconds.", valueName: "ttft:500,tpot:50"))
    var goodput: Objective?

    @Option(help: ArgumentHelp("Prompts of random ids below this instead of words; completions only.", valueName: "n"))
    var promptIds: Int?

    @Flag(help: "Asks the server to go on past the end of the text.")
    var ignoreEos = false

    @Option(help: "Seconds after which a request is given up.")
    var timeout = 600.0

    @Option(help: "Draws intervals and prompts.")
    var seed: UInt64 = 0

    @Option(help: "Also appends each request's times to this file, one JSON object a line.", completion: .file())
    var records: String?

    @OptionGroup var results: ResultOptions

    package init() {}

    package func validate() throws {
        guard ServerAddress(url) != nil else {
            throw ValidationError("--url is '\(url)', expected http://HOST:PORT; this client speaks HTTP without TLS")
        }
        try OptionRange.check("--requests", requests, in: 1...1_000_000)
        try OptionRange.check("--input-length", inputLength, in: 1...(1 << 20))
        try OptionRange.check("--output-length", outputLength, in: 1...(1 << 20))
        try OptionRange.check("--timeout", timeout, in: 0.001...86_400)
        try OptionRange.check("--trace-speed", traceSpeed, in: 1e-6...1e6)
        try OptionRange.check("--prompt-ids", promptIds, in: 1...(1 << 28))
        for count in maxConcurrency?.counts ?? [] { try OptionRange.check("--max-concurrency", count, in: 1...65_536) }
        guard burstiness > 0 else { throw ValidationError("--burstiness is \(burstiness), expected a number over 0") }
        guard promptIds == nil || endpoint == .completions else {
            throw ValidationError("--prompt-ids needs --endpoint completions; a chat is text")
        }
    }

    package func run() async throws {
        guard let address = ServerAddress(url) else { return }
        let recorded = try trace.map { try RequestTrace(path: $0, limit: requests) }
        var output = try ResultOutput(results)
        let log = try records.map(RecordLog.init)
        let client = HTTPClient(
            address, group: MultiThreadedEventLoopGroup.singleton, timeoutSeconds: timeout)
        let apiKey = ProcessInfo.processInfo.environment["OPENAI_API_KEY"]
        let name = try await ServerModels(client, apiKey: apiKey).choose(model)
        let writer = RequestWriter(
            endpoint: endpoint, model: name, ignoresEndOfSequence: ignoreEos, vocabularySize: promptIds)
        try output.begin("serve")
        for rate in recorded == nil ? requestRate.rates : [.infinity] {
            for concurrency in maxConcurrency?.counts.map(Optional.some) ?? [nil] {
                let run = LoadRun(client, writer, maxConcurrency: concurrency, apiKey: apiKey)
                let planned = plan(rate, recorded)
                let (records, seconds) = await run.run(planned, seed: seed) { log?.append($0) }
                let metrics = ServingMetrics(records, durationSeconds: seconds, objective: goodput)
                let load = trace.map { "trace \($0)" } ?? (rate.isInfinite ? "all at once" : "\(rate) requests/s")
                try output.write(
                    ServeReport(
                        url: "\(address)", model: name, endpoint: endpoint, load: load,
                        requestRate: rate.isInfinite ? nil : rate, burstiness: burstiness,
                        maxConcurrency: concurrency, metrics: metrics
                    ).row())
                try check(records, address)
            }
        }
        try output.end()
    }

    private func plan(_ rate: Double, _ trace: RequestTrace?) -> [PlannedRequest] {
        if let trace {
            return trace.entries.map {
                PlannedRequest(
                    seconds: $0.seconds / traceSpeed, promptCount: $0.promptCount, outputCount: $0.outputCount)
            }
        }
        let process: ArrivalProcess =
            rate.isInfinite ? .immediate : .gamma(requestsPerSecond: rate, burstiness: burstiness)
        var random = SplitMix64(seed: seed)
        return process.offsets(count: requests, random: &random).map {
            PlannedRequest(seconds: $0, promptCount: inputLength, outputCount: outputLength)
        }
    }

    /// A server that is gone ends the sweep; one that refuses some requests under load does not.
    private func check(_ records: [RequestRecord], _ address: ServerAddress) throws {
        let failures = records.compactMap(\.failure)
        let broken = failures.first { if case .connection = $0 { true } else { false } }
        guard let first = broken ?? (failures.count == records.count ? failures.first : nil) else { return }
        throw ServeError.requestsFailed(
            url: "\(address)", failed: failures.count, total: records.count, first: "\(first)")
    }
}

/// What ends a run early.
package enum ServeError: Error, Sendable, Equatable, CustomStringConvertible {
    case unreachable(url: String, reason: String)
    case noModel(url: String)
    case requestsFailed(url: String, failed: Int, total: Int, first: String)

    package var description: String {
        switch self {
        case .unreachable(let url, let reason): "\(url): no answer (\(reason)); is the server running?"
        case .noModel(let url): "\(url): lists no model; name one with --model"
        case .requestsFailed(let url, let failed, let total, let first):
            "\(url): \(failed) of \(total) requests failed; what completed is above; the first failure: \(first)"
        }
    }
}

/// `GET /v1/models`: whether the server is there, and what it serves.
struct ServerModels {
    private let client: HTTPClient
    private let apiKey: String?

    init(_ client: HTTPClient, apiKey: String?) {
        self.client = client
        self.apiKey = apiKey
    }

    /// - Throws: ``ServeError``.
    func choose(_ name: String?) async throws -> String {
        let body = NIOLockedValueBox<[UInt8]>([])
        let status: Int
        do {
            let headers = apiKey.map { [("authorization", "Bearer \($0)")] } ?? []
            status = try await client.send(path: "/v1/models", body: nil, headers: headers) { _, bytes in
                body.withLockedValue { $0 += bytes.readableBytesView.prefix((1 << 20) - $0.count) }
            }.status
        } catch {
            throw ServeError.unreachable(url: "\(client.address)", reason: "\(error)")
        }
        if let name { return name }
        guard status == 200,
            let root = try? JSONDocument(parsing: body.withLockedValue { $0 }, source: "/v1/models").root,
            let models = root["data"]?.array, let first = models.makeIterator().nextValue,
            let id = first["id"]?.string
        else { throw ServeError.noModel(url: "\(client.address)") }
        return id
    }
}

extension JSONArray.Iterator {
    fileprivate var nextValue: JSONValue? {
        var copy = self
        return copy.next()
    }
}

/// The file that `--records` names.
private final class RecordLog: Sendable {
    private let file: NIOLockedValueBox<FileHandle>

    init(_ path: String) throws {
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(atPath: path, contents: nil)
        }
        guard let handle = FileHandle(forWritingAtPath: path) else {
            throw OutputError.failed(name: path, reason: "it cannot be opened")
        }
        try handle.seekToEnd()
        file = NIOLockedValueBox(handle)
    }

    func append(_ record: RequestRecord) {
        // The rows are what counts; a full disk under the records must not end the run.
        file.withLockedValue { try? $0.write(contentsOf: Data((record.json() + "\n").utf8)) }
    }
}

extension CompletionEndpoint: ExpressibleByArgument {}

extension Objective: ExpressibleByArgument {
    package init?(argument: String) { self.init(argument) }
}

/// `--request-rate`.
package struct RateList: ExpressibleByArgument, Sendable, Hashable {
    package let rates: [Double]

    package init(_ rates: [Double]) { self.rates = rates }

    package init?(argument: String) {
        let fields = argument.split(separator: ",", omittingEmptySubsequences: false)
        let rates = fields.compactMap { Double($0) }.filter { $0 > 0 }
        guard rates.count == fields.count, !rates.isEmpty else { return nil }
        self.rates = rates
    }

    package var defaultValueDescription: String { rates.map { "\($0)" }.joined(separator: ",") }
}
