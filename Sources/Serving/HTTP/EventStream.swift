internal import Hummingbird
internal import HTTPTypes
internal import JSONCore
internal import NIOCore
internal import Synchronization

/// The writer of an answer's server-sent events.
struct EventSink: Sendable {
    fileprivate let continuation: AsyncStream<String>.Continuation
    fileprivate let start: StartSignal

    /// `data: …` with a JSON value, behind `event: …` where the API names its events.
    func send(_ json: JSON, event: String? = nil) {
        write((event.map { "event: \($0)\n" } ?? "") + "data: \(json.text)\n\n")
    }

    /// `data: [DONE]`, which ends OpenAI's streams.
    func sendDone() { write("data: [DONE]\n\n") }

    private func write(_ text: String) {
        continuation.yield(text)
        start.resolve(.success(()))
    }
}

/// Whether an answer has begun, or failed before its first byte, when its status can still be chosen.
private final class StartSignal: Sendable {
    private struct State {
        var result: Result<Void, any Error>?
        var waiter: CheckedContinuation<Void, any Error>?
    }

    private let state = Mutex(State())

    /// The first call decides; later ones change nothing.
    /// - Returns: whether this was the first.
    @discardableResult
    func resolve(_ result: Result<Void, any Error>) -> Bool {
        let (waiter, isFirst) = state.withLock { state in
            guard state.result == nil else { return (nil as CheckedContinuation<Void, any Error>?, false) }
            state.result = result
            defer { state.waiter = nil }
            return (state.waiter, true)
        }
        waiter?.resume(with: result)
        return isFirst
    }

    func wait() async throws {
        try await withCheckedThrowingContinuation { waiter in
            let result = state.withLock { state in
                if state.result == nil { state.waiter = waiter }
                return state.result
            }
            if let result { waiter.resume(with: result) }
        }
    }
}

/// What the streams of an API have besides their own events.
struct EventFraming: Sendable {
    /// The text that keeps an idle connection open.
    var ping = ": ping\n\n"
    /// Writes an error that comes after the first event.
    let failure: @Sendable (APIError, EventSink) -> Void

    static let openAI = EventFraming(failure: { error, sink in sink.send(error.body(.openAI, requestID: nil)) })
}

/// A response of server-sent events (WHATWG HTML, 9.2).
enum EventStream {
    /// Answers with the events that `produce` writes.
    ///
    /// Waits for the first event, but for no more than a ping's interval, so that a request that fails at once gets a
    /// status of its own. When the client goes away, `produce` is cancelled.
    /// - Parameters:
    ///   - ping: the text that keeps an idle connection open.
    ///   - failure: how an error that comes after the first event is told.
    static func respond(
        pingSeconds: Double, ping: String = ": ping\n\n", monitor: ConnectionMonitor,
        failure: @escaping @Sendable (APIError, EventSink) -> Void,
        produce: @escaping @Sendable (EventSink) async throws -> Void
    ) async throws -> Response {
        let (stream, continuation) = AsyncStream<String>.makeStream()
        let start = StartSignal()
        let sink = EventSink(continuation: continuation, start: start)
        let producer = Task {
            do {
                try await produce(sink)
            } catch {
                if !start.resolve(.failure(error)), !(error is CancellationError) { failure(APIError(error), sink) }
            }
            start.resolve(.success(()))
            continuation.finish()
        }
        let observer = monitor.onClose {
            producer.cancel()
            start.resolve(.failure(CancellationError()))
            continuation.finish()
        }
        let pinger = Task {
            while true {
                try await Task.sleep(for: .seconds(pingSeconds))
                start.resolve(.success(()))
                continuation.yield(ping)
            }
        }
        let guardian = StreamGuardian {
            producer.cancel()
            pinger.cancel()
            monitor.forget(observer)
        }
        try await start.wait()
        let body = ResponseBody { writer in
            defer { guardian.end() }
            for await text in stream { try await writer.write(ByteBuffer(string: text)) }
            try await writer.finish(nil)
        }
        return Response(
            status: .ok,
            headers: [
                .contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-cache", .accelBuffering: "no",
            ], body: body)
    }
}

/// Ends a stream's work when its response was written, or was dropped without being written.
private final class StreamGuardian: Sendable {
    private let onEnd: @Sendable () -> Void

    init(_ onEnd: @escaping @Sendable () -> Void) { self.onEnd = onEnd }

    func end() { onEnd() }

    deinit { onEnd() }
}
