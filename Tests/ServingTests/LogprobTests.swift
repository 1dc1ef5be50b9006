import JSONCore
import Serving
import TestSupport
import Testing

/// Log-probabilities of answers and prompts.
struct LogprobTests {
    @Test("A chat's log-probabilities spell its text byte for byte, alone and in a stream, the likeliest first")
    func chat() async throws {
        try await TestServer.with { server in
            let body =
                #"{"messages":[{"role":"user","content":"Speak"}],"temperature":0,"max_tokens":8,"logprobs":true,"top_logprobs":3"#
            let choice = try await server.post("/v1/chat/completions", body + "}").json()["choices"]?.array?.first
            let entries = choice?["logprobs"]?["content"]?.array.map(Array.init) ?? []
            #expect(entries.count == 8)
            let bytes = entries.flatMap { $0["bytes"]?.array?.compactMap { $0.int.map(UInt8.init) } ?? [] }
            #expect(String(decoding: bytes, as: UTF8.self) == choice?["message"]?["content"]?.string)
            for entry in entries {
                let best = entry["top_logprobs"]?.array?.compactMap { $0["logprob"]?.double } ?? []
                #expect(best.count == 3)
                #expect(best == best.sorted(by: >))
                #expect(entry["logprob"]?.double == best.first)
                #expect((best.first ?? 1) <= 0)
            }
            let stream = try await server.post("/v1/chat/completions", body + ",\"stream\":true}")
            let chunks = try stream.events.dropLast().map { try JSONDocument(parsing: $0).root }
            let streamed = chunks.flatMap {
                $0["choices"]?.array?.first?["logprobs"]?["content"]?.array.map(Array.init) ?? []
            }
            // The stream's prompt comes from the prefix cache: other kernels, the same numbers but for rounding.
            #expect(streamed.map { $0["token"]?.string } == entries.map { $0["token"]?.string })
            for (one, other) in zip(streamed, entries) {
                let difference = (one["logprob"]?.double ?? 1) - (other["logprob"]?.double ?? -1)
                #expect(abs(difference) < 1e-5)
            }
        }
    }

    @Test("An echoed prompt has the log-probabilities that its tokens have as answers; its first token has none")
    func prompt() async throws {
        try await TestServer.with { server in
            func columns(_ fields: String) async throws -> (tokens: [Int], values: [Double?]) {
                let body = "{\"temperature\":0,\"logprobs\":1,\"return_token_ids\":true,\(fields)}"
                let choice = try await server.post("/v1/completions", body).json()["choices"]?.array?.first
                let ids = choice?["token_ids"]?.array?.compactMap(\.int) ?? []
                return (ids, choice?["logprobs"]?["token_logprobs"]?.array.map { $0.map(\.double) } ?? [])
            }
            let start =
                try await server.post("/tokenize", #"{"content":"ROMEO: What"}"#).json()["tokens"]?.array?
                .compactMap(\.int) ?? []
            let said = try await columns("\"prompt\":\(start),\"max_tokens\":6")
            #expect(said.tokens.count == 6)
            #expect(said.values.count == 6)
            // The whole as a prompt, as lm-eval asks for it.
            let whole = start + said.tokens
            for count in [0, 1] {
                let scored = try await columns("\"prompt\":[\(whole)],\"max_tokens\":\(count),\"echo\":true")
                #expect(scored.values.count == whole.count + count)
                #expect(scored.values.first == .some(nil))
                for (a, b) in zip(scored.values.dropFirst(start.count), said.values) {
                    #expect(abs((a ?? 1) - (b ?? 2)) < 1e-4)
                }
            }
        }
    }
}
