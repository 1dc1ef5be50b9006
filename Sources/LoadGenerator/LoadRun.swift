import NIOConcurrencyHelpers
import NIOCore
import TensorCore

/// Sends requests at their times and records what comes back, whatever becomes of each.
package struct LoadRun: Sendable {
    private let client: HTTPClient
    private let writer: RequestWriter
    private let maxConcurrency: Int?
    private let headers: [(String, String)]

    /// - Parameters:
    ///   - maxConcurrency: requests that may be under way; a further one waits, and its clock starts when it is sent.
    ///   - apiKey: sent as a bearer token.
    package init(_ client: HTTPClient, _ writer: RequestWriter, maxConcurrency: Int?, apiKey: String? = nil) {
        self.client = client
        self.writer = writer
        self.maxConcurrency = maxConcurrency
        headers = apiKey.map { [("authorization", "Bearer \($0)")] } ?? []
    }

    /// Runs all requests and returns a record of each, in their order, and the seconds until the last had ended.
    /// - Parameter report: takes each record as its request ends.
    package func run(
        _ requests: [PlannedRequest], seed: UInt64, report: @escaping @Sendable (RequestRecord) -> Void = { _ in }
    ) async -> (records: [RequestRecord], durationSeconds: Double) {
        var random = SplitMix64(seed: seed)
        // Written before the clock starts, so that writing delays no request.
        let bodies = requests.map { writer.body($0, random: &random) }
        let limit = ConcurrencyLimit(maxConcurrency ?? .max)
        let clock = RunClock()
        let records = await withTaskGroup(of: (Int, RequestRecord).self) { group in
            for (index, (request, body)) in zip(requests, bodies).enumerated() {
                group.addTask {
                    await clock.sleep(until: request.seconds)
                    await limit.acquire()
                    let record = await send(request, body, clock)
                    await limit.release()
                    report(record)
                    return (index, record)
                }
            }
            var records: [(Int, RequestRecord)] = []
            for await record in group { records.append(record) }
            return records.sorted { $0.0 < $1.0 }.map(\.1)
        }
        return (records, clock.seconds)
    }

    private func send(_ request: PlannedRequest, _ body: String, _ clock: RunClock) async -> RequestRecord {
        let stream = SharedStream()
        var record = RequestRecord(
            scheduledSeconds: request.seconds, startSeconds: clock.seconds, tokenSeconds: [],
            promptCount: request.promptCount, outputCount: 0)
        do {
            let response = try await client.send(path: writer.endpoint.path, body: body, headers: headers) {
                stream.push($1, status: $0, at: clock.seconds)
            }
            let found = stream.value
            if response.status != 200 {
                record.failure = .response(
                    "status \(response.status) \(response.reason): \(stream.errorText)".trimmed(to: 300))
            } else if let failure = found.failure {
                record.failure = .response(failure.trimmed(to: 300))
            } else if found.tokenTimes.isEmpty {
                record.failure = .response("the stream ended without a token")
            }
        } catch {
            record.failure = .connection("\(error)".trimmed(to: 300))
        }
        let found = stream.value
        record.tokenSeconds = found.tokenTimes
        record.promptCount = found.promptCount ?? request.promptCount
        record.outputCount = found.outputCount ?? found.tokenTimes.count
        return record
    }
}

/// Seconds since a run began.
struct RunClock: Sendable {
    private let start = ContinuousClock.now

    var seconds: Double {
        let parts = (ContinuousClock.now - start).components
        return Double(parts.seconds) + Double(parts.attoseconds) * 1e-18
    }

    /// Returns at once where the time has passed.
    func sleep(until seconds: Double) async {
        guard seconds > self.seconds else { return }
        // Only cancellation throws, and then there is nothing to wait for.
        try? await ContinuousClock().sleep(until: start + .nanoseconds(Int64(seconds * 1e9)))
    }
}

/// Lets so many in at a time, first come, first served.
private actor ConcurrencyLimit {
    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private var next = 0

    init(_ count: Int) { free = count }

    func acquire() async {
        if free > 0 {
            free -= 1
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    func release() {
        guard next < waiting.count else {
            free += 1
            return
        }
        waiting[next].resume()
        next += 1
    }
}

/// A stream that a connection's event loop fills and the run reads afterwards.
private final class SharedStream: Sendable {
    private struct Content {
        var stream = CompletionStream()
        var errorBytes: [UInt8] = []
    }

    private static let maxErrorByteCount = 4096
    private let content = NIOLockedValueBox(Content())

    func push(_ bytes: ByteBuffer, status: Int, at seconds: Double) {
        content.withLockedValue { content in
            if status == 200 {
                content.stream.push(bytes.readableBytesView, at: seconds)
            } else {
                content.errorBytes += bytes.readableBytesView.prefix(
                    SharedStream.maxErrorByteCount - content.errorBytes.count)
            }
        }
    }

    var value: CompletionStream { content.withLockedValue { $0.stream } }

    var errorText: String { content.withLockedValue { String(decoding: $0.errorBytes, as: UTF8.self) } }
}

extension String {
    fileprivate func trimmed(to count: Int) -> String {
        let text = split(whereSeparator: \.isNewline).joined(separator: " ")
        return text.count <= count ? text : text.prefix(count) + "…"
    }
}
