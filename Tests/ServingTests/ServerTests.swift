import Foundation
import JSONCore
import Serving
import TestSupport
import Testing

/// Keys, origins, listings, and clients that go away.
struct ServerTests {
    @Test("A key is asked for everywhere but at /health, /ready and for OPTIONS")
    func keys() async throws {
        var options = ServingOptions()
        options.apiKeys = ["secret", "other"]
        try await TestServer.with(options) { server in
            #expect(try await server.get("/health").status == 200)
            #expect(try await server.get("/ready").status == 200)
            #expect(try await server.get("/v1/models").status == 401)
            #expect(try await server.get("/metrics").status == 401)
            #expect(try await server.get("/v1/models", headers: ["Authorization": "Bearer secret"]).status == 200)
            #expect(try await server.get("/v1/models", headers: ["x-api-key": "other"]).status == 200)
            #expect(try await server.get("/v1/models", headers: ["Authorization": "Bearer secre"]).status == 401)
            #expect(try await server.get("/v1/models", headers: ["Authorization": "secret"]).status == 401)
            #expect(try await server.get("/v1/chat/completions", method: "OPTIONS").status == 204)
            let answer = try await server.post("/v1/messages", "{}")
            #expect(try answer.json()["error"]?["type"]?.string == "authentication_error")
        }
    }

    @Test("CORS is off until origins are given; the request's id is echoed")
    func origins() async throws {
        let origin = ["Origin": "https://example.org", "X-Request-Id": "abc-123"]
        try await TestServer.with { server in
            let answer = try await server.get("/v1/models", headers: origin)
            #expect(answer.headers["access-control-allow-origin"] == nil)
            #expect(answer.headers["x-request-id"] == "abc-123")
            #expect(try await server.get("/v1/models").headers["x-request-id"]?.isEmpty == false)
        }
        var options = ServingOptions()
        options.corsOrigins = ["https://example.org"]
        try await TestServer.with(options) { server in
            let answer = try await server.get("/v1/models", headers: origin)
            #expect(answer.headers["access-control-allow-origin"] == "https://example.org")
            let other = try await server.get("/v1/models", headers: ["Origin": "https://example.com"])
            #expect(other.headers["access-control-allow-origin"] == nil)
            let asked = try await server.get("/v1/chat/completions", headers: origin, method: "OPTIONS")
            #expect(asked.headers["access-control-allow-methods"]?.contains("POST") == true)
        }
    }

    @Test("Models are listed with their aliases, and the name chooses")
    func models() async throws {
        try await TestServer.with(models: 2) { server in
            let list = try await server.get("/v1/models").json()["data"]?.array?.compactMap { $0["id"]?.string }
            #expect(list == ["bard", "poet", "bard-1"])
            #expect(try await server.get("/v1/models/poet").json()["id"]?.string == "poet")
            for name in ["bard", "poet", "bard-1"] {
                let answer = try await server.post(
                    "/v1/completions", "{\"model\":\"\(name)\",\"prompt\":\"a\",\"max_tokens\":1}")
                #expect(try answer.json()["model"]?.string == name)
            }
        }
        var options = ServingOptions()
        options.servesAnyModel = true
        try await TestServer.with(options) { server in
            let answer = try await server.post("/v1/completions", #"{"model":"gpt-4o","prompt":"a","max_tokens":1}"#)
            #expect(answer.status == 200)
        }
    }

    @Test("Clients that go away free what they held, and the others' answers stay as they are alone")
    func departures() async throws {
        try await TestServer.with(sequenceCount: 4) { server in
            @Sendable func body(_ index: Int) -> String {
                "{\"prompt\":\"Scene \(index). Enter\",\"max_tokens\":\(4 + index * 7 % 40),\"temperature\":0.9,\"seed\":\(index),"
                    + "\"stream\":\(index % 2 == 0)}"
            }
            @Sendable func text(_ answer: TestServer.Answer) throws -> String {
                let texts = try answer.events.filter { $0 != "[DONE]" }.map { try JSONDocument(parsing: $0).root }
                return try (texts.isEmpty ? [answer.json()] : texts).map {
                    $0["choices"]?.array?.first?["text"]?.string ?? "no text: \(answer.text)"
                }.joined()
            }
            var alone: [String] = []
            for index in 0..<12 { alone.append(try text(try await server.post("/v1/completions", body(index)))) }
            let expected = alone
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<48 {
                    group.addTask {
                        if index % 3 == 2 {
                            let long =
                                "{\"prompt\":\"Act \(index)\",\"max_tokens\":400,\"ignore_eos\":true,\"stream\":true}"
                            let request = server.request("POST", "/v1/completions", [:], Array(long.utf8))
                            try await server.abandon(request, afterBytes: index % 2 == 0 ? 0 : 600)
                        } else {
                            let answer = try await server.post("/v1/completions", body(index % 12))
                            #expect(try text(answer) == expected[index % 12], "request \(index)")
                        }
                    }
                }
                try await group.waitForAll()
            }
            // What the departed asked for ends within a pass or two.
            for _ in 0..<100 {
                let metrics = try await server.get("/metrics").text
                if metrics.contains("infer_requests_running{model=\"bard\"} 0\n") { break }
                try await Task.sleep(for: .milliseconds(50))
            }
            let metrics = try await server.get("/metrics").text
            #expect(metrics.contains("infer_requests_running{model=\"bard\"} 0\n"), "\(metrics)")
            #expect(metrics.contains("infer_requests_waiting{model=\"bard\"} 0\n"))
        }
    }
}
