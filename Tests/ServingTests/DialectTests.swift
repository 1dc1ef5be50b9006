import JSONCore
import Serving
import TestSupport
import Testing

/// Anthropic's messages, OpenAI's responses and llama.cpp's own paths.
struct DialectTests {
    static let said = #""messages":[{"role":"user","content":"Who goes there?"}],"temperature":0,"max_tokens":9"#

    @Test("Anthropic's events come in their order, and their text is that of the whole message")
    func messages() async throws {
        try await TestServer.with { server in
            let body = "{\"model\":\"bard\",\(DialectTests.said)}"
            let whole = try await server.post("/v1/messages", body).json()
            let text = whole["content"]?.array?.first?["text"]?.string ?? ""
            #expect(!text.isEmpty)
            #expect(whole["stop_reason"]?.string == "max_tokens")
            let stream = try await server.post("/v1/messages", body.dropLast() + ",\"stream\":true}")
            let names = stream.text.split(separator: "\n").filter { $0.hasPrefix("event: ") }.map { $0.dropFirst(7) }
            #expect(names.prefix(2) == ["message_start", "content_block_start"])
            #expect(names.suffix(3) == ["content_block_stop", "message_delta", "message_stop"])
            let events = try stream.events.map { try JSONDocument(parsing: $0).root }
            #expect(events.map { $0["type"]?.string ?? "" } == names.map(String.init))
            #expect(events.compactMap { $0["delta"]?["text"]?.string }.joined() == text)
            #expect(events.first { $0["type"]?.string == "message_delta" }?["usage"]?["output_tokens"]?.int == 9)
        }
    }

    @Test("Tools that Anthropic's servers run are refused; those of clients are offered")
    func serverTools() async throws {
        try await TestServer.with { server in
            func answer(_ tool: String) async throws -> TestServer.Answer {
                try await server.post("/v1/messages", "{\"model\":\"bard\",\(DialectTests.said),\"tools\":[\(tool)]}")
            }
            for type in ["web_search_20250305", "code_execution_20250825"] {
                let refused = try await answer("{\"type\":\"\(type)\",\"name\":\"search\"}")
                #expect(refused.status == 400)
                #expect(refused.text.contains("tools[0].type: this server runs no '\(type)'"))
            }
            #expect(try await answer(#"{"type":"custom","name":"f","input_schema":{"type":"object"}}"#).status == 200)
            #expect(try await answer(#"{"type":"bash_20250124","name":"bash"}"#).status == 200)
        }
    }

    @Test("Ways of choosing tokens that this server lacks may be named with the value that changes nothing")
    func neutralSamplers() async throws {
        try await TestServer.with { server in
            let neutral = #""mirostat":0,"dry_multiplier":0.0,"xtc_probability":0,"typical_p":1,"top_n_sigma":-1"#
            let body = "{\"prompt\":\"a\",\"n_predict\":2,\(neutral),\"lora\":[{\"id\":0,\"scale\":0}]}"
            let answer = try await server.post("/completion", body)
            #expect(answer.status == 200, "\(answer.text)")
            let empty = try await server.post("/completion", #"{"prompt":"a","lora":[],"n_predict":1}"#)
            #expect(empty.status == 200, "\(empty.text)")
        }
    }

    @Test("A billing header in the system prompt counts for nothing")
    func billingHeader() async throws {
        try await TestServer.with { server in
            func count(_ system: String) async throws -> Int? {
                let body = "{\"model\":\"bard\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]\(system)}"
                return try await server.post("/v1/messages/count_tokens", body).json()["input_tokens"]?.int
            }
            let header = #"{"type":"text","text":"x-anthropic-billing-header: cc_version=2; cch=1a2b"}"#
            let plain = try await count("")
            #expect(plain != nil)
            #expect(try await count(",\"system\":[\(header)]") == plain)
            let king = #"{"type":"text","text":"You are a king."}"#
            #expect(try await count(",\"system\":[\(header),\(king)]") == count(",\"system\":[\(king)]"))
            #expect(try await count(",\"system\":[\(king)]") != plain)
        }
    }

    @Test("A response goes on from an earlier one until it is deleted; its events are numbered")
    func responses() async throws {
        try await TestServer.with { server in
            let fields = #""temperature":0,"max_output_tokens":7"#
            let first = try await server.post("/v1/responses", "{\"input\":\"Who art thou?\",\(fields)}").json()
            let id = first["id"]?.string ?? ""
            let text = first["output"]?.array?.first?["content"]?.array?.first?["text"]?.string
            #expect(first["status"]?.string == "incomplete")
            let next = "{\"input\":\"And then?\",\"previous_response_id\":\"\(id)\",\(fields)}"
            let second = try await server.post("/v1/responses", next).json()
            let before = first["usage"]?["input_tokens"]?.int ?? 0
            #expect((second["usage"]?["input_tokens"]?.int ?? 0) > before + 7)
            #expect(try await server.get("/v1/responses/\(id)").json()["id"]?.string == id)
            let stream = try await server.post(
                "/v1/responses", "{\"input\":\"Who art thou?\",\"stream\":true,\(fields)}")
            let events = try stream.events.map { try JSONDocument(parsing: $0).root }
            #expect(events.map { $0["sequence_number"]?.int } == Array(0..<events.count))
            #expect(events.first?["type"]?.string == "response.created")
            #expect(events.last?["type"]?.string == "response.incomplete")
            let deltas = events.filter { $0["type"]?.string == "response.output_text.delta" }
            #expect(deltas.compactMap { $0["delta"]?.string }.joined() == text)
            #expect(try await server.get("/v1/responses/\(id)", method: "DELETE").status == 200)
            #expect(try await server.post("/v1/responses", next).status == 404)
        }
    }

    @Test("llama.cpp's completion, tokenizing both ways, pieces with their exact bytes, props and slots")
    func nativePaths() async throws {
        try await TestServer.with { server in
            let body = "{\"prompt\":\"ROMEO:\",\"n_predict\":8,\"temperature\":0}"
            let whole = try await server.post("/completion", body).json()
            #expect(whole["tokens_predicted"]?.int == 8)
            #expect(whole["stop_type"]?.string == "limit")
            let stream = try await server.post("/completion", body.dropLast() + ",\"stream\":true}")
            let chunks = try stream.events.map { try JSONDocument(parsing: $0).root }
            #expect(chunks.compactMap { $0["content"]?.string }.joined() == whole["content"]?.string)
            #expect(chunks.last?["stop"]?.bool == true)
            let said = "Ça va, my lord — 忠?"
            let tokens = try await server.post(
                "/tokenize", "{\"content\":\(JSON.string(said).text),\"with_pieces\":true}"
            ).json()
            let pieces = tokens["tokens"]?.array.map(Array.init) ?? []
            let bytes = pieces.flatMap { piece -> [UInt8] in
                if let text = piece["piece"]?.string { return Array(text.utf8) }
                return piece["piece"]?.array?.compactMap { $0.int.map(UInt8.init) } ?? []
            }
            #expect(String(decoding: bytes, as: UTF8.self) == said)
            let ids = pieces.compactMap { $0["id"]?.int }
            #expect(try await server.post("/detokenize", "{\"tokens\":\(ids)}").json()["content"]?.string == said)
            #expect(try await server.post("/tokenize", "{\"prompt\":\"a\"}").json()["count"]?.int != nil)
            #expect(try await server.get("/props").json()["total_slots"]?.int == 4)
            #expect(try await server.get("/slots").json().array?.count == 4)
            let template = try await server.post("/apply-template", #"{"messages":[{"role":"user","content":"Hi"}]}"#)
            #expect(try template.json()["prompt"]?.string?.contains("Hi") == true)
        }
    }

    @Test("The metrics' text keeps Prometheus' form, with vLLM's names where asked for")
    func metrics() async throws {
        var options = ServingOptions()
        options.hasVLLMMetrics = true
        try await TestServer.with(options) { server in
            _ = try await server.post("/v1/completions", #"{"prompt":"a","max_tokens":3}"#)
            let text = try await server.get("/metrics").text
            var seen = Set<String>()
            for line in text.split(separator: "\n") {
                if line.hasPrefix("# TYPE ") {
                    #expect(seen.insert(String(line)).inserted, "a second heading: \(line)")
                } else if !line.hasPrefix("#") {
                    #expect(Double(line.split(separator: " ").last ?? "") != nil, "\(line)")
                }
            }
            #expect(text.contains("infer_generated_tokens_total{model=\"bard\"} 3\n"))
            for name in ["num_requests_running", "num_requests_waiting", "kv_cache_usage_perc", "cache_config_info"] {
                #expect(text.contains("\nvllm:\(name){"), "\(name)")
            }
        }
    }

    @Test("The description of the paths is OpenAPI, and names only paths that are there")
    func openAPI() async throws {
        try await TestServer.with { server in
            let json = try await server.get("/openapi.json").json()
            #expect(json["openapi"]?.string == "3.1.0")
            let paths = json["paths"]?.object.map { $0.map(\.key) } ?? []
            #expect(paths.count > 15)
            for path in paths where !path.contains("{") {
                #expect(try await server.get(path).status != 404, "\(path)")
            }
        }
    }
}
