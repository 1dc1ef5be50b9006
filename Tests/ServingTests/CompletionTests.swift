import Inference
import JSONCore
import Serving
import TestSupport
import Testing

/// Chat and text completions, whole and streamed.
struct CompletionTests {
    static let greedy = #""temperature":0,"max_tokens":12"#

    @Test(
        "A streamed chat gives the text of a whole one: the role once, the reason last, usage only where asked, then [DONE]"
    )
    func chatStream() async throws {
        try await TestServer.with { server in
            let messages = #""messages":[{"role":"user","content":"Speak, my lord."}]"#
            let whole = try await server.post("/v1/chat/completions", "{\(messages),\(CompletionTests.greedy)}").json()
            let text = whole["choices"]?.array?.first?["message"]?["content"]?.string
            #expect(whole["object"]?.string == "chat.completion")
            #expect(whole["usage"]?["completion_tokens"]?.int == 12)
            for usage in [false, true] {
                let options = usage ? #","stream_options":{"include_usage":true}"# : ""
                let answer = try await server.post(
                    "/v1/chat/completions", "{\(messages),\(CompletionTests.greedy),\"stream\":true\(options)}")
                #expect(answer.headers["content-type"] == "text/event-stream; charset=utf-8")
                #expect(answer.events.last == "[DONE]")
                let chunks = try answer.events.dropLast().map { try JSONDocument(parsing: $0).root }
                let choices = chunks.compactMap { $0["choices"]?.array?.first }
                #expect(choices.map { $0["delta"]?["content"]?.string ?? "" }.joined() == text)
                #expect(choices.filter { $0["delta"]?["role"] != nil }.count == 1)
                #expect(choices.first?["delta"]?["role"]?.string == "assistant")
                #expect(choices.last?["finish_reason"]?.string == "length")
                #expect(choices.dropLast().allSatisfy { $0["finish_reason"]?.isNull ?? false })
                let counts = chunks.filter { $0["usage"]?.object != nil }
                #expect(counts.count == (usage ? 1 : 0))
                if usage {
                    #expect(chunks.last?["choices"]?.array?.count == 0)
                    #expect(chunks.last?["usage"]?["completion_tokens"]?.int == 12)
                }
            }
        }
    }

    @Test("A prompt as text, as ids, and among others gives the same continuation; n gives n of them")
    func prompts() async throws {
        try await TestServer.with { server in
            let ids =
                try await server.post("/tokenize", #"{"content":"What say you"}"#).json()["tokens"]?.array?
                .compactMap(\.int) ?? []
            #expect(!ids.isEmpty)
            let prompts = ["\"What say you\"", "\(ids)", "[\"What say you\"]", "[\(ids)]"]
            var texts: Set<String> = []
            for prompt in prompts {
                let answer = try await server.post(
                    "/v1/completions", "{\"prompt\":\(prompt),\(CompletionTests.greedy)}")
                texts.insert(try answer.json()["choices"]?.array?.first?["text"]?.string ?? answer.text)
            }
            #expect(texts.count == 1, "\(texts)")
            let several = try await server.post(
                "/completions", "{\"prompt\":[\"What say you\",\"My lord\"],\"n\":2,\(CompletionTests.greedy)}"
            ).json()
            let choices = several["choices"]?.array.map(Array.init) ?? []
            #expect(choices.map { $0["index"]?.int } == [0, 1, 2, 3])
            #expect(choices.first?["text"]?.string == texts.first)
            #expect(choices[0]["text"]?.string == choices[1]["text"]?.string)
            let echoed = try await server.post(
                "/v1/completions", "{\"prompt\":\"What say you\",\"echo\":true,\(CompletionTests.greedy)}"
            ).json()
            #expect(echoed["choices"]?.array?.first?["text"]?.string == "What say you" + (texts.first ?? ""))
        }
    }

    @Test("Nothing of a stop string is sent, in no chunk, and what looked like one is sent at the end")
    func stopStrings() async throws {
        try await TestServer.with { server in
            func text(_ stop: String, stream: Bool) async throws -> String {
                let body = "{\"prompt\":\"ROMEO:\",\"temperature\":0,\"max_tokens\":24,\"stream\":\(stream)\(stop)}"
                let answer = try await server.post("/v1/completions", body)
                guard stream else { return try answer.json()["choices"]?.array?.first?["text"]?.string ?? "" }
                return try answer.events.dropLast().map {
                    try JSONDocument(parsing: $0).root["choices"]?.array?.first?["text"]?.string ?? ""
                }.joined()
            }
            let full = try await text("", stream: false)
            let characters = Array(full)
            let stop = String(characters[characters.count / 2..<characters.count / 2 + 4])
            let before = String(full[..<(full.firstRange(of: stop)?.lowerBound ?? full.endIndex)])
            let quoted = JSON.string(stop).text
            #expect(try await text(",\"stop\":\(quoted)", stream: false) == before)
            #expect(try await text(",\"stop\":[\(quoted),\"never said\"]", stream: true) == before)
            // The end of the text is the beginning of this stop string.
            let never = JSON.string(String(characters.suffix(3)) + "\u{1F409}").text
            #expect(try await text(",\"stop\":\(never)", stream: true) == full)
        }
    }

    @Test("A prompt that the context does not hold is refused with its numbers")
    func contextOverflow() async throws {
        try await TestServer.with { server in
            let words = Array(repeating: "thou", count: 2000).joined(separator: " ")
            for (path, body) in [
                ("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"\(words)\"}]}"),
                ("/v1/completions", "{\"prompt\":\"\(words)\"}"), ("/completion", "{\"prompt\":\"\(words)\"}"),
            ] {
                let answer = try await server.post(path, body)
                #expect(answer.status == 400)
                let error = try answer.json()["error"]
                #expect(error?["code"]?.string == "context_length_exceeded")
                #expect(error?["n_ctx"]?.int == 512)
                #expect((error?["n_prompt_tokens"]?.int ?? 0) >= 2000)
            }
        }
    }

    @Test("A repeated prompt is found in the cache, and usage says so")
    func cachedTokens() async throws {
        try await TestServer.with { server in
            let words = Array(repeating: "Good my lord", count: 20).joined(separator: ", ")
            let body = "{\"prompt\":\"\(words)\",\"max_tokens\":2,\"temperature\":0}"
            let first = try await server.post("/v1/completions", body).json()
            let second = try await server.post("/v1/completions", body).json()
            #expect(first["usage"]?["prompt_tokens_details"]?["cached_tokens"]?.int == 0)
            #expect((second["usage"]?["prompt_tokens_details"]?["cached_tokens"]?.int ?? 0) >= 32)
            #expect(
                first["choices"]?.array?.first?["text"]?.string == second["choices"]?.array?.first?["text"]?.string)
        }
    }
}

/// Conversations with the bundled model, which has no chat template.
struct PlayTests {
    @Test("An answer is one speech, or as long as the request says")
    func speeches() async throws {
        try await TestServer.with { server in
            func choice(_ fields: String) async throws -> JSONValue? {
                let said = #""messages":[{"role":"user","content":"Who goes there?"}],"temperature":0"#
                return try await server.post("/v1/chat/completions", "{\(said)\(fields)}").json()["choices"]?.array?
                    .first
            }
            let speech = try await choice("")
            let text = speech?["message"]?["content"]?.string ?? ""
            #expect(speech?["finish_reason"]?.string == "stop")
            #expect(!text.isEmpty && !text.contains("\n\n"), "\(text)")
            let long = try await choice(",\"max_tokens\":80")
            #expect(long?["finish_reason"]?.string == "length")
            #expect(long?["message"]?["content"]?.string?.hasPrefix(text + "\n\n") == true)
            let messages = #"{"messages":[{"role":"system","content":"Enter."},{"role":"user","content":"Hi"}]}"#
            let prompt = try await server.post("/apply-template", messages).json()["prompt"]?.string
            #expect(prompt == "Enter.\n\nCITIZEN:\nHi\n\nBARD:\n")
        }
    }

    @Test("What clients need to know of the tokenizer is told")
    func tokenizer() async throws {
        try await TestServer.with { server in
            let info = try await server.get("/tokenizer_info").json()
            #expect(info["eos_token"]?.string == "<|endoftext|>")
            #expect(info["vocab_size"]?.int == 1024 && info["model_max_length"]?.int == 512)
            let stream = try await server.post(
                "/v1/completions",
                #"{"prompt":"a","max_tokens":5,"stream":true,"timings_per_token":true,"stream_options":"#
                    + #"{"include_usage":true,"continuous_usage_stats":true}}"#
            )
            let chunks = try stream.events.dropLast(2).map { try JSONDocument(parsing: $0).root }
            let counts = chunks.map { $0["usage"]?["completion_tokens"]?.int ?? -1 }
            #expect(counts == counts.sorted() && counts.last == 5, "\(counts)")
            #expect(chunks.map { $0["timings"]?["predicted_n"]?.int ?? -1 } == counts)
        }
    }
}
