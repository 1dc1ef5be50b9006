internal import Hummingbird
internal import HTTPTypes
internal import Inference
internal import JSONCore

/// Liveness, readiness and version. They read values at hand and wait for no engine.
struct ControlEndpoints: Sendable {
    let state: ServerState

    /// Fails where a pass does not end, or where none begins though there is work.
    func health() -> Response {
        for model in state.directory.models {
            let stalled = model.stalledSeconds
            guard stalled > state.options.watchdogSeconds else { continue }
            return Response(
                ["status": "stalled", "model": .string(model.name), "seconds": .double(stalled)],
                status: .serviceUnavailable)
        }
        return Response(["status": "ok"])
    }

    func ready() -> Response {
        state.isDraining
            ? Response(["status": "draining"], status: .serviceUnavailable) : Response(["status": "ready"])
    }

    func version() -> Response { Response(["version": .string(state.options.version)]) }
}

extension ServedModel {
    /// Seconds since the engine last made progress; 0 while there is nothing to do.
    var stalledSeconds: Double {
        let status = engine.status
        if let start = status.passStart { return start.duration(to: .now).shortSeconds }
        guard status.runningCount + status.waitingCount > status.pausedCount, let end = status.lastPassEnd else {
            return 0
        }
        return end.duration(to: .now).shortSeconds
    }
}
