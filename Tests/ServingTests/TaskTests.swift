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

    /// Little-endian FP32.
    private static func floats(_ data: Data) -> [Float] {
        stride(from: 0, to: data.count, by: 4).map { index in
            var bits: UInt32 = 0
            for byte in 0..<4 { bits |= UInt32(data[index + byte]) << UInt32(8 * byte) }
            return Float(bitPattern: bits)
        }
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
            let decoded = TaskTests.floats(data)
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
            for (one, other) in [("queries", "documents"), ("data_1", "data_2")] {
                let body = "{\"model\":\"rank\",\"\(one)\":\"king\",\"\(other)\":[\"a dog\",\"the king speaks\",\"a\"]}"
                let same = try await server.post("/v1/score", body).json()
                #expect(same["data"]?.array?.compactMap { $0["score"]?.double } ?? [] == all)
            }
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
                ("/v1/embeddings", #"{"model":"mean","input":"a","truncate_prompt_tokens":0}"#, 400),
                ("/v1/embeddings", #"{"model":"mean","input":"a","truncate_prompt_tokens":1}"#, 400),
                ("/v1/embeddings", #"{"model":"mean","input":"a","truncate_prompt_tokens":9999}"#, 400),
                ("/v1/embeddings", #"{"model":"mean","input":"a","normalize":false}"#, 400),
                ("/v1/rerank", #"{"query":"a","documents":["a"],"max_tokens_per_doc":3}"#, 400),
                ("/v1/score", #"{"text_1":"a","text_2":"b","activation":false}"#, 400),
                ("/v1/classify", #"{"model":"label","input":"a","softmax":false}"#, 400),
            ]
            for (path, body, status) in refused {
                let answer = try await server.post(path, body)
                #expect(answer.status == status, "\(path) \(body) → \(answer.text)")
            }
        }
    }

    @Test("Tokens are embedded as they are, with the special ones or without; tokenizers of all models answer")
    func tokens() async throws {
        let (embedder, models) = try TaskTests.models()
        try await TestServer.with(tasks: models) { server in
            func vectors(_ input: String) async throws -> [[Float]] {
                let body = "{\"model\":\"mean\",\"input\":\(input)}"
                let answer = try await server.post("/v1/embeddings", body).json()
                return answer["data"]?.array?.map { $0["embedding"]?.array?.compactMap(\.double).map(Float.init) ?? [] }
                    ?? []
            }
            // A word that the vocabulary does not have is lost where tokens are made a text again.
            let text = "the king \u{16A0} speaks"
            let expected = try embedder.run([text]).map(\.dense)[0]
            for addsSpecial in [true, false] {
                let body = "{\"model\":\"mean\",\"content\":\"\(text)\",\"add_special\":\(addsSpecial)}"
                let answer = try await server.post("/tokenize", body).json()
                let ids = answer["tokens"]?.array?.compactMap(\.int) ?? []
                #expect(ids.count > 4)
                #expect(try await vectors("\(ids)") == [expected])
                #expect(try await vectors("[\"\(text)\",\(ids)]") == [expected, expected])
            }
            let long = try await vectors("[\([Int](repeating: 40, count: 5000))]")
            #expect(long.first?.count == expected.count)
            let words = try await server.post("/detokenize", #"{"model":"label","tokens":[40,41]}"#)
            #expect(try words.json()["content"]?.string?.isEmpty == false)
            let wrong = try await server.get("/v1/embeddings")
            #expect(wrong.status == 405 && wrong.headers["allow"] == "OPTIONS, POST")
        }
    }

    @Test("Texts over the limit are cut, but classify refuses them unless told to; usage counts what was computed")
    func longTexts() async throws {
        let (embedder, models) = try TaskTests.models()
        let (short, most) = (embedder.maximumTokenCount, 512)
        let long = "the king speaks " + String(repeating: "a dog ", count: most)
        let tokens = "\([Int](repeating: 40, count: short + 5))"
        let paths: [(path: String, body: String, field: String, limit: Int)] = [
            ("/v1/embeddings", "\"model\":\"mean\",\"input\":[\"a\",\"\(long)\"]", "input", short),
            ("/v1/embeddings", "\"model\":\"mean\",\"input\":\(tokens)", "input", short),
            ("/v1/rerank", "\"query\":\"king\",\"documents\":[\"a\",\"\(long)\"]", "documents", most),
            ("/v1/score", "\"model\":\"rank\",\"text_1\":\"king\",\"text_2\":\"\(long)\"", "text_2", most),
            ("/v1/score", "\"model\":\"mean\",\"text_1\":\"king\",\"text_2\":\"\(long)\"", "text_2", short),
            ("/v1/classify", "\"model\":\"label\",\"input\":\"\(long)\"", "input", most),
        ]
        try await TestServer.with(tasks: models) { server in
            func count(_ path: String, _ body: String) async throws -> Int? {
                try await server.post(path, "{\(body)}").json()["usage"]?["prompt_tokens"]?.int
            }
            for (path, body, field, limit) in paths {
                let cut = try #require(try await count(path, body + ",\"truncate_prompt_tokens\":-1"))
                if path == "/v1/classify" {
                    let refused = try await server.post(path, "{\(body)}")
                    let error = try refused.json()["error"]
                    #expect(refused.status == 400 && error?["param"]?.string == field, "\(path): \(refused.text)")
                    #expect(error?["code"]?.string == "context_length_exceeded")
                    #expect(error?["n_ctx"]?.int == limit && error?["message"]?.string?.contains("\(limit);") == true)
                } else {
                    #expect(try await count(path, body) == cut)
                }
                let shorter = try #require(try await count(path, body + ",\"truncate_prompt_tokens\":\(limit - 3)"))
                #expect(cut - shorter == 3 && cut >= limit && cut < 2 * limit, "\(path): \(cut), \(shorter)")
            }
            // Each pair is computed with its special tokens, and the query with each document.
            let pair = try #require(try await count("/v1/score", #""model":"rank","text_1":"king","text_2":"king""#))
            #expect(try await count("/v1/rerank", #""query":"king","documents":["king","king"]"#) == 2 * pair)
            // As sentence-transformers cuts texts: the special tokens stay.
            let kept = try embedder.tokenCount(of: "the king speaks") + 2
            let body = "{\"model\":\"mean\",\"input\":\"\(long)\",\"truncate_prompt_tokens\":\(kept)}"
            let answer = try await server.post("/v1/embeddings", body).json()
            let vector = answer["data"]?.array?.first?["embedding"]?.array?.compactMap(\.double).map(Float.init)
            #expect(try vector == embedder.run(["the king speaks"]).map(\.dense)[0])
        }
    }
}
