import LoadGenerator
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix

/// A server that answers completions as it is told, on a port of this machine.
final class FakeServer: Sendable {
    enum Answer: Sendable {
        /// So many tokens, each in a chunk of its own, and usage.
        case tokens(Int)
        /// Tokens, and then the connection breaks.
        case breaks(after: Int)
        case status(Int, String)
        case text(String)
        /// Nothing, ever.
        case silence
    }

    let address: ServerAddress
    private let channel: any Channel
    private let state: NIOLockedValueBox<State>

    struct State: Sendable {
        var answers: [Answer]
        var received = 0
        var open = 0
        var mostOpen = 0
        var bodies: [String] = []
    }

    /// - Parameter answers: to the completions in the order they come; the last one repeats.
    init(_ answers: [Answer]) async throws {
        let state = NIOLockedValueBox(State(answers: answers))
        self.state = state
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(FakeHandler(state))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        address = ServerAddress(host: "127.0.0.1", port: channel.localAddress?.port ?? 0)
    }

    var observed: State { state.withLockedValue { $0 } }

    func stop() async throws { try await channel.close() }

    func client(timeoutSeconds: Double = 20) -> HTTPClient {
        HTTPClient(address, group: MultiThreadedEventLoopGroup.singleton, timeoutSeconds: timeoutSeconds)
    }
}

private final class FakeHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let state: NIOLockedValueBox<FakeServer.State>
    private var uri = ""
    private var body = ""

    init(_ state: NIOLockedValueBox<FakeServer.State>) { self.state = state }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): uri = head.uri
        case .body(let bytes): body += String(buffer: bytes)
        case .end: answer(context)
        }
    }

    private func answer(_ context: ChannelHandlerContext) {
        guard uri.hasPrefix("/v1/") && uri.hasSuffix("completions") else {
            return finish(context, uri == "/v1/models" ? 200 : 404, #"{"data":[{"id":"fake"}]}"#)
        }
        let body = body
        let answer = state.withLockedValue { state in
            defer { state.received += 1 }
            state.bodies.append(body)
            state.open += 1
            state.mostOpen = max(state.mostOpen, state.open)
            return state.answers[min(state.received, state.answers.count - 1)]
        }
        switch answer {
        case .tokens(let count): stream(context, count, breaks: false)
        case .breaks(let count): stream(context, count, breaks: true)
        case .status(let status, let text): finish(context, status, text)
        case .text(let text): finish(context, 200, text)
        case .silence: break
        }
    }

    private func head(_ context: ChannelHandlerContext, _ status: Int) {
        let head = HTTPResponseHead(
            version: .http1_1, status: .init(statusCode: status), headers: ["connection": "close"])
        context.write(wrapOutboundOut(.head(head)), promise: nil)
    }

    private func write(_ context: ChannelHandlerContext, _ text: String) {
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
    }

    private func finish(_ context: ChannelHandlerContext, _ status: Int, _ text: String) {
        head(context, status)
        write(context, text)
        end(context)
    }

    private func end(_ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        state.withLockedValue { $0.open -= 1 }
        context.close(promise: nil)
    }

    /// A chunk a millisecond, so that they arrive apart.
    private func stream(_ context: ChannelHandlerContext, _ count: Int, breaks: Bool) {
        head(context, 200)
        let loop = context.eventLoop.assumeIsolated()
        for index in 0..<count {
            loop.scheduleTask(in: .milliseconds(Int64(2 * index + 2))) {
                self.write(context, "data: {\"choices\":[{\"text\":\"\(index)\"}]}\n\n")
            }
        }
        loop.scheduleTask(in: .milliseconds(Int64(2 * count + 2))) {
            if breaks { return context.close(promise: nil) }
            self.write(
                context, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":\(count)}}\n\n")
            self.write(context, "data: [DONE]\n\n")
            self.end(context)
        }
    }
}
