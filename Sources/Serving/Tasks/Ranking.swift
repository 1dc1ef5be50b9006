internal import Foundation
internal import Hummingbird
internal import Inference
internal import JSONCore

/// `POST /v1/rerank` (in the form of Jina and Cohere), `/v1/score` and `/v1/classify` (in that of vLLM).
struct Ranking: Sendable {
    static let maximumCount = 2048

    let state: ServerState

    func rerank(_ request: Request, _ context: ServerContext) async throws -> Response {
        let (fields, monitor) = try await state.read(request, context)
        let model = try state.directory.taskModel(named: try fields.string("model"), for: "rerank")
        let textRequest = try TextRequest(fields, model, field: "documents")
        try fields.refuse(
            ["max_tokens_per_doc", "max_chunks_per_doc", "rank_fields"],
            because: "documents are read whole, or cut as truncate_prompt_tokens says; leave it out")
        let query = try fields.requireString("query")
        let documents = try Ranking.documents(fields)
        let count = try fields.int("top_n", in: 1...Int(Int32.max)) ?? documents.count
        let returnsDocuments = try fields.bool("return_documents") ?? true
        let pairs = documents.map { (query, $0) }
        let scores = try await monitor.cancellingWhenClosed { try await Ranking.scores(pairs, textRequest, "rerank") }
        let order = scores.indices.sorted { (scores[$0], $1) > (scores[$1], $0) }
        let results = order.prefix(count).map { index -> JSON in
            var json: JSON = ["index": .int(index), "relevance_score": .double(scores[index])]
            if returnsDocuments { json["document"] = ["text": .string(documents[index])] }
            return json
        }
        return Response([
            "id": .string("rerank-" + Identifier.random(24)), "object": "list", "model": .string(model.name),
            "results": .array(results), "usage": textRequest.usage,
        ])
    }

    func score(_ request: Request, _ context: ServerContext) async throws -> Response {
        let (fields, monitor) = try await state.read(request, context)
        let model = try state.directory.taskModel(named: try fields.string("model"), for: "score")
        // vLLM has had three pairs of names for the same.
        let names = [("queries", "documents"), ("data_1", "data_2")]
        let (one, other) = names.first { fields[$0.0] != nil && fields[$0.1] != nil } ?? ("text_1", "text_2")
        var first = try Ranking.texts(fields, one)
        let second = try Ranking.texts(fields, other)
        if first.count == 1 { first = Array(repeating: first[0], count: second.count) }
        guard first.count == second.count else {
            throw APIError.invalid(one, "\(one) must hold one text, or as many as \(other) (\(second.count))")
        }
        let textRequest = try TextRequest(fields, model, field: other)
        let pairs = Array(zip(first, second))
        let scores = try await monitor.cancellingWhenClosed { try await Ranking.scores(pairs, textRequest, "score") }
        return Response([
            "id": .string("score-" + Identifier.random(24)), "object": "list",
            "created": .int(Int(Date().timeIntervalSince1970)), "model": .string(model.name),
            "data": .array(
                scores.enumerated().map { index, score in
                    ["index": .int(index), "object": "score", "score": .double(score)]
                }), "usage": textRequest.usage,
        ])
    }

    func classify(_ request: Request, _ context: ServerContext) async throws -> Response {
        let (fields, monitor) = try await state.read(request, context)
        let model = try state.directory.taskModel(named: try fields.string("model"), for: "classify")
        guard case .classifier(let classifier) = model.task else { throw model.misused("classify") }
        let textRequest = try TextRequest(fields, model, field: "input", cuts: false)
        let texts = try Ranking.texts(fields, "input")
        let inputs = texts.map { TextPair($0) }
        let answers = try await monitor.cancellingWhenClosed { try await textRequest.run(classifier, inputs) }
        let data = answers.enumerated().map { index, scores -> JSON in
            let byLabel = Dictionary(scores.map { ($0.label, $0.score) }, uniquingKeysWith: max)
            let probabilities = classifier.labels.map { JSON.double(byLabel[$0] ?? 0) }
            return [
                "index": .int(index), "label": .string(scores.first?.label ?? ""), "probs": .array(probabilities),
                "num_classes": .int(classifier.labels.count),
            ]
        }
        return Response([
            "id": .string("classify-" + Identifier.random(24)), "object": "list",
            "created": .int(Int(Date().timeIntervalSince1970)), "model": .string(model.name), "data": .array(data),
            "usage": textRequest.usage,
        ])
    }

    /// A cross-encoder's scores, or the cosines of an embedder's vectors.
    private static func scores(
        _ pairs: [(String, String)], _ request: TextRequest, _ path: String
    ) async throws -> [Double] {
        switch request.model.task {
        case .reranker(let reranker): return try await request.run(reranker, pairs.map { TextPair($0.0, pair: $0.1) })
        case .embedder(let embedder):
            let vectors = try await request.run(embedder, pairs.map(\.0) + pairs.map(\.1))
            return pairs.indices.map { cosine(vectors[$0].dense, vectors[$0 + pairs.count].dense) }
        case .classifier: throw request.model.misused(path)
        }
    }

    private static func cosine(_ a: [Float], _ b: [Float]) -> Double {
        func dot(_ a: [Float], _ b: [Float]) -> Double { zip(a, b).reduce(0.0) { $0 + Double($1.0) * Double($1.1) } }
        let lengths = (dot(a, a) * dot(b, b)).squareRoot()
        return lengths > 0 ? dot(a, b) / lengths : 0
    }

    private static func texts(_ fields: RequestFields, _ key: String) throws(APIError) -> [String] {
        _ = try fields.requireMember(key)
        let texts = try fields.strings(key, atMost: maximumCount) ?? []
        guard !texts.isEmpty else { throw .invalid(key, "\(key) must hold at least one text") }
        return texts
    }

    /// Strings, or objects with a `text`.
    private static func documents(_ fields: RequestFields) throws(APIError) -> [String] {
        _ = try fields.requireMember("documents")
        let elements = try fields.array("documents", atMost: maximumCount) ?? []
        guard !elements.isEmpty else { throw .invalid("documents", "documents must hold at least one document") }
        var result: [String] = []
        for (index, element) in elements.enumerated() {
            if let text = element.string {
                result.append(text)
            } else {
                result.append(try RequestFields(element, path: "documents[\(index)]").requireString("text"))
            }
        }
        return result
    }
}

extension TaskModel {
    func misused(_ path: String) -> APIError {
        .invalid("model", "\(name) \(task.summary); /v1/\(path) needs another model")
    }
}
