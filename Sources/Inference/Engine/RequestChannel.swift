internal import Synchronization

/// A token's score as it leaves the engine's thread: natural logarithms of probabilities.
struct TokenScore: Sendable {
    var token: Int32
    var logProbability: Double
    /// The most likely tokens, best first.
    var alternatives: [(token: Int32, logProbability: Double)]
}

/// What a pass produced for one sample of a request.
struct SampleEvent: Sendable {
    let sample: Int
    var token: Int32?
    var score: TokenScore?
    var promptScores: [TokenScore] = []
    /// Set in the sample's last event.
    var finish: (reason: FinishReason, cause: StopCause?)?
    let cachedTokenCount: Int
    /// When the request's first pass began, and when this event's pass ended.
    let start: ContinuousClock.Instant
    let time: ContinuousClock.Instant
}

/// Carries the events of one request from the engine's thread to the task that reads them. Bounded: when `capacity`
/// events of a sample wait, the sample must be paused.
final class RequestChannel: Sendable {
    private typealias Reader = CheckedContinuation<[SampleEvent]?, any Error>

    private struct State {
        var events: [SampleEvent] = []
        /// Of each sample.
        var pendingCounts: [Int]
        var pausedSamples: Set<Int> = []
        var reader: Reader?
        var ending: Result<Void, any Error>?
        var isAbandoned = false
    }

    let id: Int
    private let capacity: Int
    private let post: @Sendable (EngineMessage) -> Void
    private let state: Mutex<State>

    /// - Parameter post: tells the engine what the reader has done.
    init(id: Int, sampleCount: Int, capacity: Int, post: @escaping @Sendable (EngineMessage) -> Void) {
        self.id = id
        self.capacity = capacity
        self.post = post
        state = Mutex(State(pendingCounts: Array(repeating: 0, count: sampleCount)))
    }

    // MARK: The engine's side

    /// Adds an event.
    /// - Returns: whether the sample must be paused.
    func push(_ event: SampleEvent) -> Bool {
        let (reader, pauses) = state.withLock { state -> (Reader?, Bool) in
            guard !state.isAbandoned else { return (nil, false) }
            if let reader = state.reader {
                state.reader = nil
                return (reader, false)
            }
            state.events.append(event)
            state.pendingCounts[event.sample] += 1
            let pauses = event.finish == nil && state.pendingCounts[event.sample] >= capacity
            if pauses { state.pausedSamples.insert(event.sample) }
            return (nil, pauses)
        }
        reader?.resume(returning: [event])
        return pauses
    }

    /// Closes the channel: all samples have ended, or the request ends with an error.
    func finish(throwing error: (any Error)? = nil) {
        let reader = state.withLock { state in
            if state.ending == nil { state.ending = error.map { .failure($0) } ?? .success(()) }
            // A reader is suspended only while there are no events.
            let reader = state.reader
            state.reader = nil
            return reader
        }
        guard let reader else { return }
        if let error { reader.resume(throwing: error) } else { reader.resume(returning: nil) }
    }

    // MARK: The reader's side

    /// All events that are there, waiting for the first; `nil` at the end, or where the reading task is cancelled.
    func next() async throws -> [SampleEvent]? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let (answer, resumed) = state.withLock { state -> (Result<[SampleEvent]?, any Error>?, Set<Int>) in
                    if !state.events.isEmpty {
                        let events = state.events
                        state.events = []
                        for sample in state.pendingCounts.indices { state.pendingCounts[sample] = 0 }
                        let resumed = state.pausedSamples
                        state.pausedSamples = []
                        return (.success(events), resumed)
                    }
                    if let ending = state.ending { return (ending.map { nil }, []) }
                    guard !state.isAbandoned, state.reader == nil else { return (.success(nil), []) }
                    state.reader = continuation
                    return (nil, [])
                }
                for sample in resumed.sorted() { post(.resume(request: id, sample: sample)) }
                if let answer { continuation.resume(with: answer) }
            }
        } onCancel: {
            abandon()
        }
    }

    /// The reader needs no more of one sample.
    func stop(_ sample: Int) { post(.stop(request: id, sample: sample)) }

    /// The reader is gone: the request is cancelled unless it has ended.
    func abandon() {
        let (reader, cancels) = state.withLock { state -> (Reader?, Bool) in
            guard !state.isAbandoned else { return (nil, false) }
            let reader = state.reader
            state.isAbandoned = true
            state.reader = nil
            state.events = []
            return (reader, state.ending == nil)
        }
        reader?.resume(returning: nil)
        if cancels { post(.cancel(request: id)) }
    }
}
