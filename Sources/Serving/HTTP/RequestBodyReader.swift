internal import Hummingbird
internal import JSONCore
internal import NIOCore

extension ServerState {
    /// Reads a request's whole body.
    /// - Throws: `APIError`: 413 past the limit, 400 where it is not framed as HTTP asks, 408 where the client takes too
    ///   long to send it.
    func readBody(_ request: Request) async throws -> [UInt8] {
        let limit = options.maxBodyByteCount
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limit {
            throw bodyTooLarge
        }
        let body = request.body
        return try await withThrowingTaskGroup(of: [UInt8].self) { group in
            group.addTask {
                var bytes: [UInt8] = []
                do {
                    for try await chunk in body {
                        guard bytes.count + chunk.readableBytes <= limit else { throw self.bodyTooLarge }
                        bytes.append(contentsOf: chunk.readableBytesView)
                    }
                } catch {
                    if error is APIError || error is CancellationError { throw error }
                    // What fails here is the client's framing: a chunk that is none, or an end before the length.
                    throw APIError(.badRequest, "The body cannot be read: \(error)", code: "invalid_body")
                }
                return bytes
            }
            group.addTask {
                try await Task.sleep(for: .seconds(self.options.bodyTimeoutSeconds))
                throw APIError(
                    .requestTimeout, "The body did not arrive in \(self.options.bodyTimeoutSeconds) seconds",
                    code: "request_timeout")
            }
            defer { group.cancelAll() }
            guard let bytes = try await group.next() else { throw CancellationError() }
            return bytes
        }
    }

    /// Reads a request whose body is a JSON object, with the monitor that tells when its client goes away.
    func read(
        _ request: Request, _ context: ServerContext
    ) async throws -> (fields: RequestFields, monitor: ConnectionMonitor) {
        let monitor = await context.connectionMonitor()
        return (try await readFields(request), monitor)
    }

    /// Reads a request whose body is a JSON object.
    func readFields(_ request: Request) async throws -> RequestFields {
        try RequestFields(parsing: try await readBody(request))
    }

    private var bodyTooLarge: APIError {
        APIError(
            .contentTooLarge,
            "The body is larger than \(options.maxBodyByteCount) bytes; start the server with a larger --max-body",
            code: "request_too_large")
    }
}
