internal import Grammar
internal import Synchronization

/// A message to the engine's thread.
enum EngineMessage: Sendable {
    case submit(SubmittedRequest)
    case cancel(request: Int)
    /// The reader of a sample found a stop string, so the sample is complete.
    case stop(request: Int, sample: Int)
    /// The reader of a paused sample has taken all its events.
    case resume(request: Int, sample: Int)
    /// All requests end with what they have produced.
    case cancelAll
}

/// A request on its way to the scheduler.
struct SubmittedRequest: Sendable {
    let id: Int
    let request: GenerationRequest
    /// The automaton of the request's constraint; `nil`: no constraint.
    let automaton: GrammarAutomaton?
    let seed: UInt64
    let arrival: ContinuousClock.Instant
    let channel: RequestChannel
}

/// Messages for the engine's thread, taken between passes, and what is known from outside without waiting for it.
final class EngineInbox: Sendable {
    private struct State {
        var messages: [EngineMessage] = []
        /// The engine's loop is running, or about to.
        var isAwake = false
        var isOpen = true
        var nextID = 0
        /// Requests that have not ended, and how many of their sequences have no place yet.
        var activeCount = 0
        var submittedSampleCount = 0
        var status: EngineStatus
        /// Seconds that a sequence takes from its first pass to its end, smoothed.
        var sequenceSeconds: Double?
        var drained: [CheckedContinuation<Void, Never>] = []
    }

    private let state: Mutex<State>

    init(_ status: EngineStatus) { state = Mutex(State(status: status)) }

    var status: EngineStatus { state.withLock { $0.status } }

    func updateStatus(_ body: (inout EngineStatus) -> Void) { state.withLock { body(&$0.status) } }

    /// - Returns: whether the engine's loop must be started.
    func post(_ message: EngineMessage) -> Bool {
        state.withLock { state in
            state.messages.append(message)
            defer { state.isAwake = true }
            return !state.isAwake
        }
    }

    /// Takes a request in, with an id of its own.
    /// - Returns: what to keep of it, and whether the engine's loop must be started.
    /// - Throws: `InferenceError` where it can not be taken.
    func submit(
        sampleCount: Int, _ make: (Int) -> SubmittedRequest
    ) throws -> (request: SubmittedRequest, mustStart: Bool) {
        try state.withLock { state in
            guard state.isOpen else {
                throw InferenceError.engineStopped(reason: "it is shutting down and takes no more requests")
            }
            let capacity = state.status.sequenceCapacity + state.status.queueCapacity
            guard sampleCount <= capacity else {
                throw InferenceError.requestTooLarge(sampleCount: sampleCount, capacity: capacity)
            }
            let status = state.status
            let present = status.runningCount + status.waitingCount + state.submittedSampleCount
            guard present + sampleCount <= capacity else {
                throw InferenceError.queueFull(
                    waitingCount: max(present - status.sequenceCapacity, 0),
                    retryAfterSeconds: retryAfterSeconds(state))
            }
            let request = make(state.nextID)
            state.nextID += 1
            state.activeCount += 1
            state.submittedSampleCount += sampleCount
            state.messages.append(.submit(request))
            defer { state.isAwake = true }
            return (request, !state.isAwake)
        }
    }

    /// About how long it takes until a place is free: sequences end one after the other.
    private func retryAfterSeconds(_ state: State) -> Int {
        let seconds = (state.sequenceSeconds ?? 1) / Double(max(state.status.sequenceCapacity, 1))
        return Int(min(max(seconds.rounded(.up), 1), 60))
    }

    /// The messages that came since the last time.
    func take() -> [EngineMessage] {
        state.withLock { state in
            defer { state.messages = [] }
            return state.messages
        }
    }

    /// Ends the engine's loop unless there are messages. Callers that wait for the last request are resumed only now,
    /// when the status says that it has ended.
    func fallAsleep() -> Bool {
        let (isAsleep, waiting) = state.withLock { state in
            state.isAwake = !state.messages.isEmpty
            guard !state.isAwake, state.activeCount == 0 else {
                return (!state.isAwake, [] as [CheckedContinuation<Void, Never>])
            }
            defer { state.drained = [] }
            return (true, state.drained)
        }
        for continuation in waiting { continuation.resume() }
        return isAsleep
    }

    /// Notes that a request's samples are in the scheduler.
    func admitted(sampleCount: Int) {
        state.withLock { $0.submittedSampleCount -= sampleCount }
    }

    /// A request has ended.
    func ended(seconds: Double?) {
        state.withLock { state in
            if let seconds {
                state.sequenceSeconds = state.sequenceSeconds.map { $0 + 0.1 * (seconds - $0) } ?? seconds
            }
            state.activeCount -= 1
        }
    }

    /// Refuses requests from now on.
    func close() {
        state.withLock { state in
            state.isOpen = false
            state.status.acceptsRequests = false
        }
    }

    /// Returns when no request is left and the engine's loop has ended.
    func waitUntilDrained() async {
        await withCheckedContinuation { continuation in
            let isDrained = state.withLock { state in
                let isDrained = state.activeCount == 0 && !state.isAwake
                if !isDrained { state.drained.append(continuation) }
                return isDrained
            }
            if isDrained { continuation.resume() }
        }
    }
}
