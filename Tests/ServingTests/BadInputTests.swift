import JSONCore
import Serving
import Testing

/// What clients get wrong, each answered with a status and an error of the API's shape.
struct BadInputTests {
    struct Case: Sendable {
        let path: String
        let body: String
        var status = 400
        /// The field that the error names.
        var parameter: String?
        var code: String?

        init(_ path: String, _ body: String, _ status: Int = 400, at parameter: String? = nil, code: String? = nil) {
            self.path = path
            self.body = body
            self.status = status
            self.parameter = parameter
            self.code = code
        }
    }

    static let chat = "/v1/chat/completions"
    static let text = "/v1/completions"
    static let hello = #""messages":[{"role":"user","content":"Hi"}]"#

    static let cases: [Case] = [
        // What is no JSON, or none that an API takes.
        Case(chat, ""), Case(chat, "{"), Case(chat, "nonsense", code: "invalid_json"), Case(chat, "[]"),
        Case(chat, "null"),
        Case(chat, "1"), Case(chat, "\"text\""), Case(chat, "{\(hello)}}"), Case(chat, "{\(hello),}"),
        Case(chat, "{'messages':[]}"), Case(chat, "{\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800\"}]}"),
        Case(chat, "{\"messages\":[NaN]}"), Case(chat, "\u{FEFF}{\(hello)}"),
        Case(chat, String(repeating: "[", count: 100_000)),
        Case(chat, "{\"a\":" + String(repeating: "[", count: 500) + String(repeating: "]", count: 500) + "}"),
        // Messages.
        Case(chat, "{}", at: "messages", code: "missing_required_parameter"),
        Case(chat, #"{"messages":null}"#, at: "messages"), Case(chat, #"{"messages":[]}"#, at: "messages"),
        Case(chat, #"{"messages":"Hi"}"#, at: "messages"), Case(chat, #"{"messages":{}}"#, at: "messages"),
        Case(chat, #"{"messages":["Hi"]}"#, at: "messages[0]"),
        Case(chat, #"{"messages":[{}]}"#, at: "messages[0].role"),
        Case(chat, #"{"messages":[{"role":"user"}]}"#, at: "messages[0].content"),
        Case(chat, #"{"messages":[{"role":"king","content":"Hi"}]}"#, at: "messages[0].role"),
        Case(chat, #"{"messages":[{"role":7,"content":"Hi"}]}"#, at: "messages[0].role"),
        Case(chat, #"{"messages":[{"role":"user","content":7}]}"#, at: "messages[0].content"),
        Case(chat, #"{"messages":[{"role":"user","content":["Hi"]}]}"#, at: "messages[0].content[0]"),
        Case(chat, #"{"messages":[{"role":"user","content":[{"type":"text"}]}]}"#, at: "messages[0].content[0].text"),
        Case(
            chat, #"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}"#,
            at: "messages[0].content[0].type"),
        Case(
            chat, #"{"messages":[{"role":"user","content":"Hi","tool_calls":[{"function":{"name":"f"}}]}]}"#,
            at: "messages[0].tool_calls"),
        Case(
            chat, #"{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{"}}]}]}"#,
            at: "messages[0].tool_calls[0].function.arguments"),
        Case(
            chat, #"{"messages":[{"role":"assistant","tool_calls":[{"id":"x"}]}]}"#,
            at: "messages[0].tool_calls[0].function"),
        // Numbers out of their ranges and values of other kinds.
        Case(chat, "{\(hello),\"max_tokens\":-1}", at: "max_tokens"),
        Case(chat, "{\(hello),\"max_tokens\":0}", at: "max_tokens"),
        Case(chat, "{\(hello),\"max_tokens\":1.5}", at: "max_tokens"),
        Case(chat, "{\(hello),\"max_tokens\":\"8\"}", at: "max_tokens"),
        Case(chat, "{\(hello),\"max_tokens\":99999999999999999999}", at: "max_tokens"),
        Case(chat, "{\(hello),\"max_completion_tokens\":-5}", at: "max_completion_tokens"),
        Case(chat, "{\(hello),\"temperature\":-0.1}", at: "temperature"),
        Case(chat, "{\(hello),\"temperature\":\"hot\"}", at: "temperature"),
        Case(chat, "{\(hello),\"temperature\":1e999}", at: "temperature"),
        Case(chat, "{\(hello),\"top_p\":1.5}", at: "top_p"), Case(chat, "{\(hello),\"top_p\":true}", at: "top_p"),
        Case(chat, "{\(hello),\"top_k\":-2}", at: "top_k"), Case(chat, "{\(hello),\"min_p\":2}", at: "min_p"),
        Case(chat, "{\(hello),\"typical_p\":1.5}", at: "typical_p"),
        Case(chat, "{\(hello),\"top_h\":\"x\"}", at: "top_h"),
        Case(text, #"{"prompt":"a","epsilon_cutoff":-1}"#, at: "epsilon_cutoff"),
        Case(text, #"{"prompt":"a","eta_cutoff":[]}"#, at: "eta_cutoff"),
        Case(chat, "{\(hello),\"n\":0}", at: "n"), Case(chat, "{\(hello),\"n\":100000}", at: "n"),
        Case(chat, "{\(hello),\"seed\":\"x\"}", at: "seed"),
        Case(chat, "{\(hello),\"presence_penalty\":3}", at: "presence_penalty"),
        Case(chat, "{\(hello),\"repetition_penalty\":0}", at: "repetition_penalty"),
        Case(chat, "{\(hello),\"stop\":5}", at: "stop"), Case(chat, "{\(hello),\"stop\":[1]}", at: "stop[0]"),
        Case(chat, "{\(hello),\"stop\":[\"\"]}", at: "stop"),
        Case(chat, "{\(hello),\"stream\":\"yes\"}", at: "stream"),
        Case(chat, "{\(hello),\"stream_options\":{\"include_usage\":true}}", at: "stream_options"),
        Case(chat, "{\(hello),\"stream\":true,\"stream_options\":7}", at: "stream_options"),
        Case(chat, "{\(hello),\"logit_bias\":{\"999999\":1}}", at: "logit_bias"),
        Case(chat, "{\(hello),\"logit_bias\":{\"1\":1000}}", at: "logit_bias"),
        Case(chat, "{\(hello),\"logit_bias\":\"x\"}", at: "logit_bias"),
        Case(chat, "{\(hello),\"stop_token_ids\":[-1]}", at: "stop_token_ids"),
        Case(chat, "{\(hello),\"logprobs\":1}", at: "logprobs"),
        Case(chat, "{\(hello),\"top_logprobs\":3}", at: "top_logprobs"),
        Case(chat, "{\(hello),\"logprobs\":true,\"top_logprobs\":50}", at: "top_logprobs"),
        Case(chat, "{\(hello),\"cache_salt\":\"\"}", at: "cache_salt"),
        Case(chat, "{\(hello),\"priority\":\"high\"}", at: "priority"),
        Case(chat, "{\(hello),\"chat_template_kwargs\":[]}", at: "chat_template_kwargs"),
        Case(
            chat, "{\(hello),\"continue_final_message\":true,\"add_generation_prompt\":true}",
            at: "continue_final_message"),
        // What this server does not do.
        Case(chat, "{\(hello),\"response_format\":{\"type\":\"xml\"}}", at: "response_format.type"),
        Case(chat, "{\(hello),\"response_format\":{}}", at: "response_format.type"),
        Case(chat, "{\(hello),\"response_format\":{\"type\":\"json_schema\"}}", at: "response_format.json_schema"),
        Case(
            chat, "{\(hello),\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"a\"}}}",
            at: "response_format.json_schema.schema"),
        Case(
            chat, "{\(hello),\"response_format\":{\"type\":\"json_object\",\"schema\":7}}", at: "response_format.schema"
        ),
        Case(
            chat,
            "{\(hello),\"response_format\":{\"type\":\"json_schema\",\"schema\":{\"type\":\"nothing\"}}}",
            at: "response_format"),
        Case(chat, "{\(hello),\"json_schema\":5}", at: "json_schema"),
        Case(chat, "{\(hello),\"grammar\":5}", at: "grammar"),
        Case(chat, "{\(hello),\"grammar\":\"root ::= (\"}", at: "grammar"),
        Case(chat, "{\(hello),\"grammar\":\"root ::= \\\"a\\\"\",\"json_schema\":{}}", at: "grammar"),
        Case(chat, "{\(hello),\"structured_outputs\":{}}", at: "structured_outputs"),
        Case(chat, "{\(hello),\"structured_outputs\":{\"choice\":[]}}", at: "structured_outputs.choice"),
        Case(chat, "{\(hello),\"structured_outputs\":{\"choice\":\"a\"}}", at: "structured_outputs.choice"),
        Case(chat, "{\(hello),\"structured_outputs\":{\"regex\":\"(\"}}", at: "structured_outputs.regex"),
        Case(
            chat, "{\(hello),\"structured_outputs\":{\"json\":{},\"regex\":\"a\"}}", at: "structured_outputs.regex"),
        Case(chat, "{\(hello),\"guided_json\":\"{\"}", at: "guided_json"),
        Case(text, #"{"prompt":"a","guided_choice":[1]}"#, at: "guided_choice[0]"),
        Case("/completion", #"{"prompt":"a","json_schema":"x"}"#, at: "json_schema"),
        Case("/v1/responses", #"{"input":"a","text":{"format":{"type":"json_schema"}}}"#, at: "text.format.schema"),
        Case("/v1/responses", #"{"input":"a","tool_choice":"required"}"#, at: "tool_choice"),
        Case(chat, "{\(hello),\"tool_choice\":\"required\"}", at: "tool_choice"),
        Case(
            chat,
            "{\(hello),\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"tool_choice\":"
                + "{\"type\":\"function\",\"function\":{\"name\":\"g\"}}}", at: "tool_choice"),
        Case(chat, "{\(hello),\"tool_choice\":{\"type\":\"magic\"}}", at: "tool_choice.type"),
        Case(chat, "{\(hello),\"tool_choice\":7}", at: "tool_choice"),
        Case(chat, "{\(hello),\"functions\":[]}", at: "functions"),
        Case(chat, "{\(hello),\"tool_choice\":\"perhaps\"}", at: "tool_choice"),
        Case(chat, "{\(hello),\"tools\":[{\"type\":\"function\"}]}", at: "tools[0].function"),
        Case(chat, "{\(hello),\"tools\":{}}", at: "tools"),
        Case(text, #"{"prompt":"a","suffix":"b"}"#, at: "suffix"),
        Case(text, #"{"prompt":"a","best_of":0}"#, at: "best_of"),
        Case(chat, "{\(hello),\"modalities\":[\"text\",\"audio\"]}", at: "modalities"),
        Case(chat, "{\(hello),\"web_search_options\":{}}", at: "web_search_options"),
        Case("/v1/responses", #"{"input":"a","conversation":"conv_1"}"#, at: "conversation"),
        Case("/v1/responses", #"{"input":"a","prompt":{"id":"pmpt_1"}}"#, at: "prompt"),
        Case(chat, "{\(hello),\"mirostat\":2}", at: "mirostat"),
        Case("/completion", #"{"prompt":"a","mirostat":0,"dry_multiplier":0.8}"#, at: "dry_multiplier"),
        Case("/completion", #"{"prompt":"a","top_n_sigma":1}"#, at: "top_n_sigma"),
        Case("/completion", #"{"prompt":"a","lora":[{"id":0,"scale":1.0}]}"#, at: "lora"),
        // Models and prompts.
        Case(chat, "{\(hello),\"model\":\"no-such\"}", 404, at: "model", code: "model_not_found"),
        Case(chat, "{\(hello),\"model\":5}", at: "model"), Case(text, "{}", at: "prompt"),
        Case(text, #"{"prompt":7}"#, at: "prompt"), Case(text, #"{"prompt":[]}"#, at: "prompt"),
        Case(text, #"{"prompt":[1,"a"]}"#, at: "prompt"), Case(text, #"{"prompt":["a",1]}"#, at: "prompt[1]"),
        Case(text, #"{"prompt":[-1]}"#, at: "prompt"), Case(text, #"{"prompt":[100000]}"#, at: "prompt"),
        Case(text, #"{"prompt":[[]]}"#, at: "prompt[0]"),
        Case(text, #"{"prompt":"a","max_tokens":-3}"#, at: "max_tokens"),
        Case(
            text, "{\"prompt\":[\(Array(repeating: "5", count: 600).joined(separator: ","))]}",
            code: "context_length_exceeded"),
        Case("/completion", #"{"prompt":{}}"#), Case("/completion", #"{"prompt":"a","n_predict":-7}"#, at: "n_predict"),
        Case("/tokenize", "{}"), Case("/tokenize", #"{"content":5}"#, at: "content"),
        Case("/detokenize", #"{"tokens":"a"}"#, at: "tokens"), Case("/detokenize", #"{"tokens":[1e9]}"#, at: "tokens"),
        Case("/infill", #"{"input_prefix":"a","input_suffix":"b"}"#, 501),
        Case("/apply-template", "{}", at: "messages"),
        Case("/v1/responses", "{}", at: "input"), Case("/v1/responses", #"{"input":7}"#, at: "input"),
        Case("/v1/responses", #"{"input":[{"type":"telepathy"}]}"#, at: "input[0].type"),
        Case(
            "/v1/responses", #"{"input":"a","previous_response_id":"resp_none"}"#, 404,
            code: "previous_response_not_found"),
        Case("/v1/nowhere", "{}", 404), Case("/v1/models", "{}", 405), Case("/v1/models/none", "", 404),
    ]

    @Test("Bad requests are answered with 4xx and a body of OpenAI's shape, and the server goes on")
    func badRequests() async throws {
        #expect(BadInputTests.cases.count >= 60)
        try await TestServer.with { server in
            for item in BadInputTests.cases {
                let answer =
                    item.path.hasSuffix("/none")
                    ? try await server.get(item.path) : try await server.post(item.path, item.body)
                let name = "\(item.path) \(item.body.prefix(120)) → \(answer.text.prefix(300))"
                #expect(answer.status == item.status, "\(name)")
                let error = try answer.json()["error"]
                #expect(error?["message"]?.string?.isEmpty == false, "\(name)")
                #expect(error?["type"]?.string?.isEmpty == false, "\(name)")
                if let parameter = item.parameter { #expect(error?["param"]?.string == parameter, "\(name)") }
                if let code = item.code { #expect(error?["code"]?.string == code, "\(name)") }
            }
            #expect(try await server.get("/health").status == 200)
            #expect(
                try await server.post(BadInputTests.chat, "{\(BadInputTests.hello),\"max_tokens\":1}").status == 200)
        }
    }

    @Test("Anthropic's paths answer with errors of Anthropic's shape")
    func anthropicErrors() async throws {
        let cases: [(String, Int, String)] = [
            ("{", 400, "invalid_request_error"), ("{}", 400, "invalid_request_error"),
            (#"{"model":"none","max_tokens":5,"messages":[{"role":"user","content":"a"}]}"#, 404, "not_found_error"),
            (#"{"model":"bard","messages":[{"role":"user","content":"a"}]}"#, 400, "invalid_request_error"),
            (
                #"{"model":"bard","max_tokens":0,"messages":[{"role":"user","content":"a"}]}"#, 400,
                "invalid_request_error"
            ),
            (#"{"model":"bard","max_tokens":5,"messages":[]}"#, 400, "invalid_request_error"),
            (
                #"{"model":"bard","max_tokens":5,"messages":[{"role":"user","content":[{"type":"image"}]}]}"#, 400,
                "invalid_request_error"
            ),
            (
                #"{"model":"bard","max_tokens":5,"system":7,"messages":[{"role":"user","content":"a"}]}"#, 400,
                "invalid_request_error"
            ),
        ]
        try await TestServer.with { server in
            for (body, status, type) in cases {
                let answer = try await server.post("/v1/messages", body)
                #expect(answer.status == status, "\(body) → \(answer.text)")
                #expect(try answer.json()["type"]?.string == "error", "\(body)")
                #expect(try answer.json()["error"]?["type"]?.string == type, "\(body)")
            }
        }
    }

    @Test("Oversized bodies, broken HTTP, bad UTF-8 and half-closed or silent connections leave the server well")
    func brokenConnections() async throws {
        var options = ServingOptions()
        options.maxBodyByteCount = 10_000
        options.bodyTimeoutSeconds = 1
        options.idleTimeoutSeconds = 2
        try await TestServer.with(options) { server in
            let large = try await server.post(BadInputTests.chat, String(repeating: "x", count: 20_000))
            #expect(large.status == 413)
            #expect(try large.json()["error"]?["code"]?.string == "request_too_large")
            let chunked =
                "POST /v1/completions HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "4000\r\n" + String(repeating: "x", count: 0x4000) + "\r\n0\r\n\r\n"
            #expect(try await server.send(Array(chunked.utf8)).status == 413)
            #expect(try await server.send(Array("HELO there\r\n\r\n".utf8)).status == 400)
            let misframed = try await server.send(
                Array(
                    "POST \(Self.chat) HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n".utf8))
            #expect(misframed.status == 400)
            #expect(try misframed.json()["error"]?["code"]?.string == "invalid_body")
            for path in [Self.chat, "/nowhere"] {
                let head = try await server.get(path, method: "HEAD")
                #expect(head.status >= 400 && head.body.isEmpty, "\(path)")
            }
            let badUTF8 = server.request(
                "POST", BadInputTests.text, [:], Array("{\"prompt\":\"".utf8) + [0xFF, 0xFE] + Array("\"}".utf8))
            #expect(try await server.send(badUTF8).status == 400)
            let slow = server.request("POST", BadInputTests.text, ["Content-Length": "500"], Array("{".utf8))
            #expect(try await server.send(slow).status == 408)
            // A client that closes its half before it sent the whole body gets nothing; the server lives.
            _ = try? await server.send(slow, closesOutput: true)
            _ = try? await server.send([], closesOutput: true)
            _ = try? await server.send([])
            #expect(try await server.get("/health").status == 200)
        }
    }
}
