internal import NIOCore
internal import Synchronization

/// Tells running work that its client has gone, so that it stops.
final class ConnectionMonitor: Sendable {
    private struct State {
        var isClosed = false
        var nextID = 0
        var observers: [Int: @Sendable () -> Void] = [:]
    }

    private let state = Mutex(State())

    /// Calls `body` when the client goes; at once where it has gone already.
    /// - Returns: the number that `forget` takes.
    func onClose(_ body: @escaping @Sendable () -> Void) -> Int {
        let (id, isClosed) = state.withLock { state in
            state.nextID += 1
            if !state.isClosed { state.observers[state.nextID] = body }
            return (state.nextID, state.isClosed)
        }
        if isClosed { body() }
        return id
    }

    func forget(_ id: Int) { state.withLock { _ = $0.observers.removeValue(forKey: id) } }

    func close() {
        let observers = state.withLock { state in
            defer { state.observers = [:] }
            state.isClosed = true
            return state.observers.values.map { $0 }
        }
        for observer in observers { observer() }
    }

    /// Runs `operation`, which is cancelled when the client goes away.
    func cancellingWhenClosed<Value: Sendable>(
        _ operation: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let task = Task { try await operation() }
        let id = onClose { task.cancel() }
        defer { forget(id) }
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }
}

/// A channel handler that sees a connection close. A client that closes only its sending half counts as gone, because
/// the two cannot be told apart until something is written.
final class ConnectionMonitorHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = Any

    let monitor = ConnectionMonitor()

    func channelInactive(context: ChannelHandlerContext) {
        monitor.close()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { monitor.close() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        monitor.close()
        context.fireErrorCaught(error)
    }
}
