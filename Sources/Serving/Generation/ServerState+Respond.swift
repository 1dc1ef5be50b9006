internal import Hummingbird
internal import JSONCore

extension ServerState {
    /// Answers a request with what a running job generates: with one object, or with events where it asks for a stream.
    /// When the client goes away, the job is cancelled.
    /// - Parameters:
    ///   - whole: makes the object of all choices.
    ///   - events: writes the events; ``EventFraming`` has those that every stream of the API may have.
    func respond(
        _ job: RunningJob, monitor: ConnectionMonitor, isStream: Bool, framing: EventFraming = .openAI,
        whole: ([ChoiceText]) -> JSON, events: @escaping @Sendable (EventSink) async throws -> Void
    ) async throws -> Response {
        guard isStream else {
            return Response(whole(try await monitor.cancellingWhenClosed { try await ChoiceText.collect(job) }))
        }
        return try await EventStream.respond(
            pingSeconds: options.pingSeconds, ping: framing.ping, monitor: monitor, failure: framing.failure,
            produce: events)
    }
}
