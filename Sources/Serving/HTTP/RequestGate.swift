internal import Hummingbird
internal import HTTPTypes
internal import Logging
internal import NIOCore

/// What every request passes first: its id, CORS, the API key, and whether the server still takes requests. Errors are
/// turned here into bodies of the API that the path belongs to.
struct RequestGate: RouterMiddleware {
    typealias Context = ServerContext

    let state: ServerState
    /// Whether this listener serves only metrics, without a key.
    var isMetricsListener = false

    func handle(
        _ request: Request, context: ServerContext, next: (Request, ServerContext) async throws -> Response
    ) async throws -> Response {
        let started = ContinuousClock.now
        var context = context
        context.requestID = requestID(request)
        let dialect = Dialect(path: request.uri.path)
        var response: Response
        do {
            response = try await admit(request, &context, next)
        } catch {
            var failure = APIError(error)
            if failure.status == .notFound, failure.code == nil { failure = unknownPath(request) }
            if error is CancellationError { failure = APIError(.init(code: 499), "The client went away") }
            response = failure.response(dialect, requestID: context.requestID)
            if failure.status == .methodNotAllowed { addAllowedMethods(to: &response, for: request) }
            // The router leaves out the bodies of the answers to HEAD, but not of errors, which end before it.
            if request.method == .head { response = response.createHeadResponse() }
            if failure.status == .internalServerError {
                state.log.error("\(request.method) \(request.uri.path): \(failure.message)")
            }
        }
        response.headers[.requestID] = context.requestID
        addCORS(to: &response, for: request)
        state.log.log(
            level: .info, "\(request.method) \(request.uri.path) \(response.status.code)",
            metadata: [
                "request_id": "\(context.requestID)", "status": "\(response.status.code)",
                "seconds": "\(started.duration(to: .now).shortSeconds)",
            ])
        state.metrics.countResponse(path: request.uri.path, status: response.status.code)
        return response
    }

    private func admit(
        _ request: Request, _ context: inout ServerContext, _ next: (Request, ServerContext) async throws -> Response
    ) async throws -> Response {
        if request.method == .options { return preflight(request) }
        if !isMetricsListener, !state.isOpen(path: request.uri.path) {
            if let key = try checkKey(request) { context.client = key }
        }
        if request.method == .post, state.isDraining { throw APIError.draining }
        return try await next(request, context)
    }

    private func requestID(_ request: Request) -> String {
        guard let given = request.headers[.requestID], (1...128).contains(given.utf8.count),
            given.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return "req_" + Identifier.random(24) }
        return given
    }

    /// The key that the request brings; `nil` where the server has none.
    private func checkKey(_ request: Request) throws -> String? {
        guard !state.options.apiKeys.isEmpty else { return nil }
        var given = request.headers[.apiKey]
        if let header = request.headers[.authorization] {
            let parts = header.split(separator: " ", maxSplits: 1)
            if parts.count == 2, parts[0].lowercased() == "bearer" { given = String(parts[1]) }
        }
        guard let given else {
            throw APIError(
                .unauthorized, "No API key; send one as 'Authorization: Bearer KEY' or 'x-api-key: KEY'",
                type: "authentication_error", code: "missing_api_key")
        }
        guard state.options.apiKeys.contains(where: { Secret.equal($0, given) }) else {
            throw APIError(
                .unauthorized, "The API key is not one of this server's", type: "authentication_error",
                code: "invalid_api_key")
        }
        return given
    }

    private func unknownPath(_ request: Request) -> APIError {
        let path = request.uri.path
        if let methods = state.routes[path] {
            return APIError(
                .methodNotAllowed, "\(path) takes \(methods.sorted().joined(separator: ", ")), not \(request.method)",
                code: "method_not_allowed")
        }
        return APIError(.notFound, "There is no \(path.prefix(200)) here", code: "not_found")
    }

    private func addAllowedMethods(to response: inout Response, for request: Request) {
        guard let methods = state.routes[request.uri.path] else { return }
        response.headers[.allow] = (methods + ["OPTIONS"]).sorted().joined(separator: ", ")
    }

    private func preflight(_ request: Request) -> Response {
        var response = Response(status: .noContent)
        addAllowedMethods(to: &response, for: request)
        if allowedOrigin(request) != nil {
            response.headers[.accessControlAllowMethods] = "GET, POST, OPTIONS"
            response.headers[.accessControlAllowHeaders] =
                request.headers[.accessControlRequestHeaders] ?? "Authorization, Content-Type, X-Request-Id, x-api-key"
            response.headers[.accessControlMaxAge] = "86400"
        }
        return response
    }

    private func allowedOrigin(_ request: Request) -> String? {
        guard let origin = request.headers[.origin] else { return nil }
        if state.options.corsOrigins.contains("*") { return "*" }
        return state.options.corsOrigins.contains(origin) ? origin : nil
    }

    private func addCORS(to response: inout Response, for request: Request) {
        guard let origin = allowedOrigin(request) else { return }
        response.headers[.accessControlAllowOrigin] = origin
        response.headers[.accessControlExposeHeaders] = "X-Request-Id"
        if origin != "*" { response.headers[.vary] = "Origin" }
    }
}

extension APIError {
    func response(_ dialect: Dialect, requestID: String?) -> Response {
        var response = Response(body(dialect, requestID: requestID), status: status)
        if let retryAfterSeconds { response.headers[.retryAfter] = String(retryAfterSeconds) }
        if status == .unauthorized { response.headers[.wwwAuthenticate] = "Bearer" }
        // The rest of an oversized body is not read.
        if status == .contentTooLarge || status == .requestTimeout { response.headers[.connection] = "close" }
        return response
    }
}

/// Compares keys in constant time, so that the time does not tell how much of a guess is right.
enum Secret {
    static func equal(_ a: String, _ b: String) -> Bool {
        let (a, b) = (Array(a.utf8), Array(b.utf8))
        var difference = a.count ^ b.count
        for index in b.indices { difference |= Int(b[index] ^ (a.isEmpty ? 0 : a[index % a.count])) }
        return difference == 0
    }
}

enum Identifier {
    private static let letters = Array("0123456789abcdefghijklmnopqrstuvwxyz")

    static func random(_ count: Int) -> String { String((0..<count).map { _ in letters.randomElement() ?? "0" }) }
}

extension Duration {
    var shortSeconds: Double {
        let seconds = Double(components.seconds) + Double(components.attoseconds) * 1e-18
        return (seconds * 1e6).rounded() / 1e6
    }
}
