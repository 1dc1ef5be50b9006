internal import Hummingbird
internal import JSONCore

/// `POST /v1/search`, `GET /v1/collections`, and OpenAI's `POST /v1/vector_stores/NAME/search`.
struct SearchEndpoints: Sendable {
    static let maximumCount = 1000
    /// A longer query says nothing that a part of it does not.
    static let maximumQueryByteCount = 1 << 16

    let state: ServerState

    func search(_ request: Request, _ context: ServerContext) async throws -> Response {
        let monitor = await context.connectionMonitor()
        let fields = try await state.readFields(request)
        let collection = try state.collections.collection(named: try fields.string("collection"))
        let query = try SearchEndpoints.query(fields)
        let wanted = try SearchEndpoints.request(query, fields)
        let returnsText = try fields.bool("return_text") ?? true
        let answer = try await monitor.cancellingWhenClosed { try await collection.search(wanted) }
        let data = answer.results.enumerated().map { index, result -> JSON in
            var json = result.json(includesText: returnsText)
            json["index"] = .int(index)
            json["object"] = "search_result"
            return json
        }
        return Response([
            "object": "list", "collection": .string(collection.name), "query": .string(query),
            "mode": .string(answer.mode), "data": .array(data),
        ])
    }

    func list() async throws -> Response {
        var data: [JSON] = []
        for collection in state.collections.collections {
            let status = try await collection.status()
            data.append([
                "id": .string(collection.name), "object": "collection", "chunks": .int(status.chunkCount),
                "modes": .array(status.modes.map(JSON.string)), "embedder": .optional(status.embedder),
            ])
        }
        return Response(["object": "list", "data": .array(data)])
    }

    /// As OpenAI's client asks and reads it.
    func searchVectorStore(_ name: String, _ request: Request, _ context: ServerContext) async throws -> Response {
        let monitor = await context.connectionMonitor()
        let fields = try await state.readFields(request)
        let collection = try state.collections.collection(named: name, field: "vector_store_id")
        try fields.refuse(["filters"], because: "write the condition in `where`, as time > 2025-01-01")
        if try fields.bool("rewrite_query") ?? false {
            throw APIError.unsupported("rewrite_query", "this server searches for the query as it is; leave it out")
        }
        let query = try SearchEndpoints.query(fields)
        let wanted = try SearchEndpoints.request(query, fields)
        let threshold =
            try fields.object("ranking_options")?.double("score_threshold", in: -.infinity ... .infinity)
            ?? -.infinity
        let answer = try await monitor.cancellingWhenClosed { try await collection.search(wanted) }
        let data = answer.results.filter { $0.score >= threshold }.map { result -> JSON in
            [
                "file_id": .string(result.id), "filename": .string(result.path), "score": .double(result.score),
                "attributes": ["start": .int(result.byteRange.lowerBound), "end": .int(result.byteRange.upperBound)],
                "content": [["type": "text", "text": .string(result.text)]],
            ]
        }
        return Response([
            "object": "vector_store.search_results.page", "search_query": [.string(query)], "data": .array(data),
            "has_more": false, "next_page": nil,
        ])
    }

    /// A string, or an array with one.
    private static func query(_ fields: RequestFields) throws(APIError) -> String {
        _ = try fields.requireMember("query")
        let queries = try fields.strings("query", atMost: 1) ?? []
        guard let query = queries.first, query.contains(where: { !$0.isWhitespace }) else {
            throw .invalid("query", "query must not be empty")
        }
        guard query.utf8.count <= maximumQueryByteCount else {
            throw .invalid(
                "query", "query has \(query.utf8.count) bytes, at most \(maximumQueryByteCount) are searched for")
        }
        return query
    }

    /// The fields that say how a search is done, here and in the tool for chats.
    static func request(_ query: String, _ fields: RequestFields) throws(APIError) -> SearchRequest {
        var request = SearchRequest(query: query)
        let count = try fields.int(["top_k", "max_num_results", "limit"], in: 1...maximumCount)
        request.count = count ?? 10
        request.mode = try oneOf(
            ["lexical", "dense", "sparse", "multi-vector", "graph", "hybrid", "auto"], fields, "mode")
        request.filter = try fields.string("where")
        request.reranks = try fields.bool("rerank")
        request.scoring = try oneOf(["bm25", "tfidf"], fields, "scoring")
        request.k1 = try fields.double("k1", in: 0...1000)
        request.b = try fields.double("b", in: 0...1)
        request.fusion = try oneOf(["rrf", "distribution"], fields, "fusion")
        request.rankConstant = try fields.double("rrf_k", in: 0...1_000_000)
        request.lexicalWeight = try fields.double("lexical_weight", in: 0...1000)
        request.candidateCount = try fields.int("candidates", in: 1...100_000)
        request.vectors = try fields.string("vectors")
        return request
    }

    private static func oneOf(
        _ values: [String], _ fields: RequestFields, _ key: String
    ) throws(APIError) -> String? {
        guard let value = try fields.string(key) else { return nil }
        guard values.contains(value) else {
            throw fields.mismatch(key, expected: "one of \(values.joined(separator: ", "))")
        }
        return value
    }
}

extension SearchResult {
    /// As `infer search --json` prints it, with the lines and headings.
    func json(includesText: Bool = true) -> JSON {
        var json: JSON = [
            "id": .string(id), "score": .double(score), "path": .string(path), "start": .int(byteRange.lowerBound),
            "end": .int(byteRange.upperBound),
        ]
        if let lines {
            json["start_line"] = .int(lines.lowerBound)
            json["end_line"] = .int(lines.upperBound)
        }
        json["headings"] = .array(headings.map(JSON.string))
        if includesText { json["text"] = .string(text) }
        return json
    }
}
