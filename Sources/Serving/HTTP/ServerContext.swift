internal import Hummingbird
internal import HTTPTypes
internal import JSONCore
internal import NIOCore

/// What belongs to one request.
struct ServerContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel
    /// The client's `X-Request-Id`, or one made here.
    var requestID = ""
    /// Who asks, for sharing the engine fairly: the API key where there are keys, else the client's address.
    var client: String?

    init(source: Source) {
        coreContext = .init(source: source)
        channel = source.channel
        client = source.channel.remoteAddress?.ipAddress
    }

    /// The monitor of the request's connection.
    func connectionMonitor() async -> ConnectionMonitor {
        // Channels that tests make have no such handler; their requests are never cut off.
        let monitor = try? await channel.pipeline.handler(type: ConnectionMonitorHandler.self).map(\.monitor).get()
        return monitor ?? ConnectionMonitor()
    }
}

extension HTTPField.Name {
    /// The characters of these names are valid, so none is ever missing.
    static func custom(_ name: String) -> HTTPField.Name { HTTPField.Name(name) ?? .userAgent }

    static let requestID = custom("X-Request-Id")
    static let apiKey = custom("x-api-key")
    static let anthropicVersion = custom("anthropic-version")
    static let accelBuffering = custom("X-Accel-Buffering")
}

extension Response {
    /// A response with a JSON body.
    init(_ json: JSON, status: HTTPResponse.Status = .ok) {
        self.init(status: status, text: json.text, contentType: "application/json")
    }

    init(status: HTTPResponse.Status = .ok, text: String, contentType: String) {
        self.init(
            status: status, headers: [.contentType: contentType], body: .init(byteBuffer: ByteBuffer(string: text)))
    }
}
