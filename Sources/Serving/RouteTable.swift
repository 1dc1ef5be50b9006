internal import Hummingbird
internal import JSONCore

/// Every path, with and without `/v1`.
struct RouteTable {
    private static let gets = [
        "models", "health", "ready", "version", "props", "slots", "metrics", "openapi.json",
        "tokenizer_info", "collections",
    ]
    private static let posts = [
        "chat/completions", "completions", "responses", "messages", "messages/count_tokens", "completion", "infill",
        "tokenize", "detokenize", "apply-template", "embeddings", "rerank", "score", "classify",
        "search",
    ]

    /// The methods that each path answers.
    var methods: [String: [String]] {
        var result: [String: [String]] = ["/": ["GET", "HEAD"]]
        for prefix in ["/", "/v1/"] {
            for path in RouteTable.gets { result[prefix + path, default: []] += ["GET", "HEAD"] }
            for path in RouteTable.posts { result[prefix + path, default: []].append("POST") }
        }
        return result
    }

    func makeRouter(_ state: ServerState) -> Router<ServerContext> {
        let router = Router(context: ServerContext.self, options: .autoGenerateHeadEndpoints)
        router.middlewares.add(RequestGate(state: state))
        let control = ControlEndpoints(state: state)
        let models = ModelListing(state: state)
        let metrics = MetricsText(state: state)
        let chat = ChatCompletions(state: state)
        let completions = Completions(state: state)
        let responses = Responses(state: state)
        let messages = Messages(state: state)
        let native = NativeCompletion(state: state)
        let tokens = TokenEndpoints(state: state)
        let embeddings = Embeddings(state: state)
        let ranking = Ranking(state: state)
        let properties = ServerProperties(state: state)
        let searching = SearchEndpoints(state: state)
        router.get("/") { _, _ in ChatPageResponse.make() }
        for prefix in ["", "v1/"] {
            func get(_ path: String, _ answer: @escaping @Sendable (Request, ServerContext) async throws -> Response) {
                router.get(RouterPath(prefix + path), use: answer)
            }
            func post(_ path: String, _ answer: @escaping @Sendable (Request, ServerContext) async throws -> Response) {
                router.post(RouterPath(prefix + path), use: answer)
            }
            get("health") { _, _ in control.health() }
            get("ready") { _, _ in control.ready() }
            get("version") { _, _ in control.version() }
            get("openapi.json") { _, _ in Response(OpenAPIDocument.json(version: state.options.version)) }
            get("metrics") { _, _ in metrics.respond() }
            get("models") { _, _ in models.list() }
            get("models/**") { _, context in
                try models.retrieve(context.parameters.getCatchAll().joined(separator: "/"))
            }
            post("chat/completions") { try await chat.handle($0, $1) }
            post("completions") { try await completions.handle($0, $1) }
            post("responses") { try await responses.handle($0, $1) }
            get("responses/:id") { _, context in try responses.retrieve(context.parameters.require("id")) }
            router.delete(RouterPath(prefix + "responses/:id")) { _, context in
                try responses.delete(context.parameters.require("id"))
            }
            post("messages") { try await messages.handle($0, $1) }
            post("messages/count_tokens") { request, _ in try await messages.countTokens(request) }
            post("completion") { try await native.handle($0, $1) }
            post("infill") { try await native.infill($0, $1) }
            post("embeddings") { try await embeddings.handle($0, $1) }
            post("rerank") { try await ranking.rerank($0, $1) }
            post("score") { try await ranking.score($0, $1) }
            post("classify") { try await ranking.classify($0, $1) }
            post("search") { try await searching.search($0, $1) }
            get("collections") { _, _ in try await searching.list() }
            post("vector_stores/:id/search") { request, context in
                try await searching.searchVectorStore(context.parameters.require("id"), request, context)
            }
            post("tokenize") { request, _ in try await tokens.tokenize(request) }
            post("detokenize") { request, _ in try await tokens.detokenize(request) }
            post("apply-template") { request, _ in try await tokens.applyTemplate(request) }
            get("tokenizer_info") { request, _ in
                try tokens.info(model: request.uri.queryParameters["model"].map(String.init))
            }
            get("props") { request, _ in
                try properties.props(model: request.uri.queryParameters["model"].map(String.init))
            }
            get("slots") { request, _ in
                let query = request.uri.queryParameters
                return try properties.slots(
                    model: query["model"].map(String.init), needsFreeSlot: query["fail_on_no_slot"] != nil)
            }
        }
        return router
    }

    func makeMetricsRouter(_ state: ServerState) -> Router<ServerContext> {
        let router = Router(context: ServerContext.self)
        router.middlewares.add(RequestGate(state: state, isMetricsListener: true))
        let metrics = MetricsText(state: state)
        router.get("metrics") { _, _ in metrics.respond() }
        return router
    }
}
