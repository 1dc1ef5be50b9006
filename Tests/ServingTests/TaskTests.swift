import CPUBackend
import Foundation
import Inference
import JSONCore
import Serving
import TestSupport
import Testing

/// Vectors, relevance and labels over HTTP are those that the library gives.
struct TaskTests {
    private static func package(_ name: String) throws -> ModelPackage {
        let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures")
        let files = FileManager.default
        let folder = files.temporaryDirectory.appendingPathComponent("infer-serving-\(name)-\(getpid())")
        try? files.removeItem(at: folder)
        // The tokenizer lies apart, since several models share it.
        try files.copyItem(at: fixtures.appendingPathComponent("tasks/\(name)"), to: folder)
        let settings = try String(contentsOf: folder.appendingPathComponent("tokenizer_config.json"), encoding: .utf8)
        let kind = settings.contains("BertTokenizer") ? "wordpiece" : "unigram"
        try files.copyItem(
            at: fixtures.appendingPathComponent("tokenizers/\(kind)/tokenizer.json"),
            to: folder.appendingPathComponent("tokenizer.json"))
        return try ModelPackage(path: folder.path)
    }

    private static func models() throws -> (embedder: Embedder, models: [TaskModel]) {
        let mean = try package("embed-mean")
        let rerank = try package("rerank")
        let sentiment = try package("sentiment")
        let embedder = try Embedder(mean, on: CPUBackend(threadCount: 1))
        return (
            embedder,
            [
                TaskModel(name: "mean", task: .embedder(embedder), tokenizer: mean.tokenizer, created: 1),
                TaskModel(
                    name: "rank", task: .reranker(try Reranker(rerank, on: CPUBackend(threadCount: 1))),
                    tokenizer: rerank.tokenizer, created: 1),
                TaskModel(
                    name: "label", task: .classifier(try Classifier(sentiment, on: CPUBackend(threadCount: 1))),
                    tokenizer: sentiment.tokenizer, created: 1),
            ]
        )
    }

    @Test("Embeddings as numbers and in base64, rerank, score and classify; a model of another kind is refused")
    func tasks() async throws {
        let (embedder, models) = try TaskTests.models()
        let texts = ["the king speaks", "a dog"]
        let expected = try embedder.run(texts).map(\.dense)
        try await TestServer.with(tasks: models) { server in
            let input = "\"input\":[\"\(texts[0])\",\"\(texts[1])\"]"
            let plain = try await server.post("/v1/embeddings", "{\"model\":\"mean\",\(input)}").json()
            let vectors = plain["data"]?.array?.map { $0["embedding"]?.array?.compactMap(\.double) ?? [] } ?? []
            #expect(vectors.map { $0.map(Float.init) } == expected)
            #expect((plain["usage"]?["prompt_tokens"]?.int ?? 0) > 4)
            let coded = try await server.post(
                "/v1/embeddings", "{\"model\":\"mean\",\"encoding_format\":\"base64\",\(input)}"
            ).json()
            let data = Data(base64Encoded: coded["data"]?.array?.first?["embedding"]?.string ?? "") ?? Data()
            let decoded = stride(from: 0, to: data.count, by: 4).map { index in
                Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(data[index + $1]) << UInt32(8 * $1) })
            }
            #expect(decoded == expected[0])
            let ranked = try await server.post(
                "/v1/rerank", #"{"query":"king","documents":["a dog","the king speaks","a"],"top_n":2}"#
            ).json()
            let scores = ranked["results"]?.array?.compactMap { $0["relevance_score"]?.double } ?? []
            #expect(scores.count == 2)
            #expect(scores == scores.sorted(by: >))
            let pairs = try await server.post(
                "/v1/score", #"{"model":"rank","text_1":"king","text_2":["a dog","the king speaks","a"]}"#
            ).json()
            let all = pairs["data"]?.array?.compactMap { $0["score"]?.double } ?? []
            #expect(Array(all.sorted(by: >).prefix(2)) == scores)
            let labels = try await server.post("/v1/classify", #"{"model":"label","input":"good"}"#).json()
            let chances = labels["data"]?.array?.first?["probs"]?.array?.compactMap(\.double) ?? []
            #expect(abs(chances.reduce(0, +) - 1) < 1e-5)
            let refused: [(String, String, Int)] = [
                ("/v1/embeddings", #"{"model":"bard","input":"a"}"#, 400),
                ("/v1/embeddings", #"{"model":"rank","input":"a"}"#, 400),
                ("/v1/embeddings", #"{"model":"none","input":"a"}"#, 404),
                ("/v1/embeddings", #"{"model":"mean"}"#, 400),
                ("/v1/embeddings", #"{"model":"mean","input":[]}"#, 400),
                ("/v1/embeddings", #"{"model":"mean","input":[true]}"#, 400),
                ("/v1/embeddings", #"{"model":"mean","input":[9999999]}"#, 400),
                ("/v1/embeddings", #"{"model":"mean","input":"a","dimensions":0}"#, 400),
                ("/v1/embeddings", #"{"model":"mean","input":"a","encoding_format":"hex"}"#, 400),
                ("/v1/rerank", #"{"query":"a","documents":[]}"#, 400), ("/v1/rerank", #"{"documents":["a"]}"#, 400),
                ("/v1/score", #"{"text_1":["a","b"],"text_2":["a","b","c"]}"#, 400),
                ("/v1/completions", #"{"model":"mean","prompt":"a"}"#, 400),
            ]
            for (path, body, status) in refused {
                let answer = try await server.post(path, body)
                #expect(answer.status == status, "\(path) \(body) → \(answer.text)")
            }
        }
    }
}
