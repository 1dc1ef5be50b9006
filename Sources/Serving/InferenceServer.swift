internal import Foundation
internal import Hummingbird
internal import HTTPTypes
package import Logging
internal import HummingbirdCore
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle
internal import UnixSignals

/// The HTTP server: OpenAI's, Anthropic's and llama.cpp's APIs over one or more models.
package struct InferenceServer: Sendable {
    private let state: ServerState
    private let onListening: @Sendable (Int) async -> Void

    /// - Parameters:
    ///   - collections: what requests may search.
    ///   - onListening: called with the port once connections are taken.
    package init(
        _ directory: ModelDirectory, collections: [any ServedCollection] = [], options: ServingOptions, log: Logger,
        onListening: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
    ) {
        state = ServerState(
            options: options, directory: directory, collections: collections, log: log, routes: RouteTable().methods)
        self.onListening = onListening
    }

    /// Serves until it is told to end: the first signal lets running requests finish, the second one ends them at once.
    package func run() async throws {
        let application = Application(
            router: RouteTable().makeRouter(state), server: makeServer(),
            configuration: configuration(port: state.options.port),
            onServerRunning: { [onListening, state] channel in
                state.setListening()
                await onListening(channel.localAddress?.port ?? 0)
            },
            logger: state.log)
        var services: [any Service] = [application]
        if let port = state.options.metricsPort {
            services.append(
                Application(
                    router: RouteTable().makeMetricsRouter(state), server: makeServer(),
                    configuration: configuration(port: port), logger: state.log))
        }
        let group = ServiceGroup(configuration: .init(services: services, logger: state.log))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            tasks.addTask { try await endOnSignals(group) }
            tasks.addTask {
                try? await gracefulShutdown()
                try await drain(group)
            }
            defer { tasks.cancelAll() }
            do {
                try await tasks.next()
            } catch  where !(error is CancellationError) && !state.isListening {
                throw ServingError.cannotListen(
                    host: state.options.host, port: state.options.port, reason: ServingError.reason(error))
            }
        }
    }

    private func makeServer() -> HTTPServerBuilder {
        .http1(
            configuration: HTTP1Channel.Configuration(
                additionalChannelHandlers: [ConnectionMonitorHandler()],
                idleTimeout: TimeAmount.seconds(Int64(state.options.idleTimeoutSeconds))))
    }

    private func configuration(port: Int) -> ApplicationConfiguration {
        ApplicationConfiguration(address: .hostname(state.options.host, port: port), serverName: "infer", backlog: 1024)
    }

    /// The first signal drains, the second ends what still runs.
    private func endOnSignals(_ group: ServiceGroup) async throws {
        var count = 0
        await withThrowingTaskGroup(of: Void.self) { tasks in
            for await signal in await UnixSignalsSequence(trapping: .sigterm, .sigint) {
                count += 1
                state.log.notice("\(signal): \(count == 1 ? "finishing the requests that run" : "ending at once")")
                guard count == 1 else { break }
                tasks.addTask { try await drain(group) }
            }
            tasks.cancelAll()
        }
        if count > 1 { throw CancellationError() }
    }

    private func drain(_ group: ServiceGroup) async throws {
        state.drain()
        let deadline = ContinuousClock.now + .seconds(state.options.drainSeconds)
        while state.metrics.totalActivity > 0, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(20))
        }
        await group.triggerGracefulShutdown()
    }
}

/// Why a server does not start.
package enum ServingError: Error, CustomStringConvertible {
    case cannotListen(host: String, port: Int, reason: String)

    package var description: String {
        switch self {
        case .cannotListen(let host, let port, let reason):
            "cannot listen on \(host), port \(port): \(reason); choose others with --host and --port"
        }
    }

    static func reason(_ error: any Error) -> String {
        guard let error = error as? IOError else { return "\(error)" }
        return String(cString: strerror(error.errnoCode))
    }
}
