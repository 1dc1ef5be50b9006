internal import Hummingbird

/// Liveness, readiness, version: answered from what is at hand, whatever the engines do.
struct ControlEndpoints: Sendable {
    let state: ServerState

    func health() -> Response { Response(["status": "ok"]) }

    func ready() -> Response {
        state.isDraining
            ? Response(["status": "draining"], status: .serviceUnavailable) : Response(["status": "ready"])
    }

    func version() -> Response { Response(["version": .string(state.options.version)]) }
}
