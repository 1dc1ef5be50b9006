package import NIOCore
import NIOHTTP1
package import NIOPosix

/// One HTTP/1.1 request on a connection of its own, whose response is handed on as it comes.
///
/// The handlers run on the connection's event loop, so that times are taken where bytes arrive.
package struct HTTPClient: Sendable {
    package let address: ServerAddress
    private let group: MultiThreadedEventLoopGroup
    private let timeout: TimeAmount

    /// - Parameter timeoutSeconds: after which a request that has not ended is given up.
    package init(_ address: ServerAddress, group: MultiThreadedEventLoopGroup, timeoutSeconds: Double) {
        self.address = address
        self.group = group
        timeout = .nanoseconds(Int64(timeoutSeconds * 1e9))
    }

    /// What came back.
    package struct Response: Sendable {
        package var status: Int
        package var reason: String
    }

    /// Sends a request and waits for the end of the response.
    /// - Parameters:
    ///   - body: with it, a POST of JSON.
    ///   - receive: takes the status and each piece of the body.
    /// - Throws: what keeps the connection from being made, or breaks it; `HTTPClientError`.
    package func send(
        path: String, body: String?, headers: [(String, String)] = [],
        receive: @escaping @Sendable (Int, ByteBuffer) -> Void
    ) async throws -> Response {
        let promise = group.any().makePromise(of: Response.self)
        var fields = HTTPHeaders([
            ("host", address.authority), ("accept", body == nil ? "application/json" : "text/event-stream"),
            ("connection", "close"),
        ])
        for (name, value) in headers { fields.add(name: name, value: value) }
        if let body {
            fields.add(name: "content-type", value: "application/json")
            fields.add(name: "content-length", value: "\(body.utf8.count)")
        }
        let head = HTTPRequestHead(
            version: .http1_1, method: body == nil ? .GET : .POST, uri: address.basePath + path, headers: fields)
        let timeout = timeout
        let connection = ClientBootstrap(group: group)
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .connectTimeout(min(timeout, .seconds(30)))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandler(
                        ExchangeHandler(head: head, body: body, timeout: timeout, promise: promise, receive: receive))
                }
            }
            .connect(host: address.host, port: address.port)
        connection.whenFailure { promise.fail($0) }
        return try await promise.futureResult.get()
    }
}

/// Why a response is none.
package enum HTTPClientError: Error, Sendable, Equatable, CustomStringConvertible {
    case closedEarly
    case timedOut

    package var description: String {
        switch self {
        case .closedEarly: "the server closed the connection before the response ended"
        case .timedOut: "the response did not end in time"
        }
    }
}

/// Sends the request when the connection stands, and fulfils the promise when the response ends or the connection does.
private final class ExchangeHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let head: HTTPRequestHead
    private let body: String?
    private let timeout: TimeAmount
    private let promise: EventLoopPromise<HTTPClient.Response>
    private let receive: (Int, ByteBuffer) -> Void
    private var response = HTTPClient.Response(status: 0, reason: "")
    private var deadline: Scheduled<Void>?
    /// Of several addresses of a host one connects; the others have nothing to say.
    private var isConnected = false
    private var isSettled = false

    init(
        head: HTTPRequestHead, body: String?, timeout: TimeAmount, promise: EventLoopPromise<HTTPClient.Response>,
        receive: @escaping (Int, ByteBuffer) -> Void
    ) {
        self.head = head
        self.body = body
        self.timeout = timeout
        self.promise = promise
        self.receive = receive
    }

    func channelActive(context: ChannelHandlerContext) {
        isConnected = true
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if let body {
            context.write(
                wrapOutboundOut(.body(.byteBuffer(context.channel.allocator.buffer(string: body)))), promise: nil)
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: timeout) {
            self.settle(.failure(HTTPClientError.timedOut))
            context.close(promise: nil)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            response = HTTPClient.Response(status: Int(head.status.code), reason: head.status.reasonPhrase)
        case .body(let bytes): receive(response.status, bytes)
        case .end:
            settle(.success(response))
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) { settle(.failure(HTTPClientError.closedEarly)) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        settle(.failure(error))
        context.close(promise: nil)
    }

    func handlerRemoved(context: ChannelHandlerContext) { settle(.failure(HTTPClientError.closedEarly)) }

    private func settle(_ result: Result<HTTPClient.Response, any Error>) {
        guard isConnected, !isSettled else { return }
        isSettled = true
        deadline?.cancel()
        promise.completeWith(result)
    }
}
