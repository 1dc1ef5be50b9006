import Foundation
import JSONCore
import Serving
import TestSupport
import Testing

/// Answers that are held to a form, under every name that the APIs have for it. The models know nothing of JSON: what
/// comes out right is the form's doing.
struct StructuredOutputTests {
    private static let said = #""messages":[{"role":"user","content":"Who goes there?"}],"max_tokens":120,"seed":3"#
    private static let schema = """
        {"type":"object","properties":{"name":{"enum":["Romeo","Juliet"]},"age":{"type":"integer","minimum":1,\
        "maximum":99}},"required":["name","age"],"additionalProperties":false}
        """

    /// Fields of OpenAI's, llama.cpp's and vLLM's APIs that ask for the schema.
    private static let schemaFields = [
        "\"response_format\":{\"type\":\"json_schema\","
            + "\"json_schema\":{\"name\":\"p\",\"strict\":true,\"schema\":\(schema)}}",
        "\"response_format\":{\"type\":\"json_schema\",\"schema\":\(schema)}",
        "\"response_format\":{\"type\":\"json_object\",\"schema\":\(schema)}",
        "\"json_schema\":\(schema)", "\"structured_outputs\":{\"json\":\(schema)}", "\"guided_json\":\(schema)",
        "\"guided_json\":\(JSON.string(schema).text)",
    ]

    /// Fields that ask for one of two words.
    private static let wordFields = [
        #""grammar":"root ::= \"yes\" | \"no\"""#, #""structured_outputs":{"regex":"yes|no"}"#,
        #""structured_outputs":{"choice":["yes","no"]}"#,
        #""structured_outputs":{"grammar":"root ::= \"yes\" | \"no\""}"#, #""guided_regex":"(yes|no)""#,
        #""guided_choice":["yes","no"]"#, #""guided_grammar":"root ::= \"yes\" | \"no\"""#,
    ]

    private func expectPerson(_ text: String?, _ name: String) {
        guard let root = try? JSONDocument(parsing: text ?? "").root else {
            Issue.record("\(name): no JSON: \(text ?? "nothing")")
            return
        }
        #expect(["Romeo", "Juliet"].contains(root["name"]?.string ?? ""), "\(name): \(text ?? "")")
        #expect((1...99).contains(root["age"]?.int ?? 0), "\(name): \(text ?? "")")
        #expect(root.object?.count == 2, "\(name)")
    }

    private func message(_ answer: TestServer.Answer) throws -> JSONValue? {
        try answer.json()["choices"]?.array?.first?["message"]
    }

    @Test("Chat and completions hold to a schema under each of its names")
    func schemas() async throws {
        try await TestServer.with { server in
            for field in StructuredOutputTests.schemaFields {
                let chat = try await server.post("/v1/chat/completions", "{\(StructuredOutputTests.said),\(field)}")
                #expect(chat.status == 200, "\(field): \(chat.text)")
                expectPerson(try message(chat)?["content"]?.string, field)
                #expect(try chat.json()["choices"]?.array?.first?["finish_reason"]?.string == "stop", "\(field)")
                let text = try await server.post(
                    "/v1/completions", "{\"prompt\":\"ROMEO:\",\"max_tokens\":120,\"seed\":3,\(field)}")
                expectPerson(try text.json()["choices"]?.array?.first?["text"]?.string, field)
            }
            let native = try await server.post(
                "/completion",
                "{\"prompt\":\"ROMEO:\",\"n_predict\":120,\"json_schema\":\(StructuredOutputTests.schema)}")
            expectPerson(try native.json()["content"]?.string, "completion")
        }
    }

    @Test("Grammars, regular expressions and choices under each of their names")
    func words() async throws {
        try await TestServer.with { server in
            for field in StructuredOutputTests.wordFields {
                let chat = try await server.post("/v1/chat/completions", "{\(StructuredOutputTests.said),\(field)}")
                let content = try message(chat)?["content"]?.string ?? chat.text
                #expect(["yes", "no"].contains(content), "\(field): \(content)")
            }
            let object = try await server.post(
                "/v1/chat/completions",
                "{\(StructuredOutputTests.said),\"response_format\":{\"type\":\"json_object\"}}")
            let choice = try object.json()["choices"]?.array?.first
            if choice?["finish_reason"]?.string == "stop" {
                let text = choice?["message"]?["content"]?.string ?? ""
                #expect(try JSONDocument(parsing: text).root.object != nil, "\(text)")
            }
            let open = try await server.post(
                "/v1/chat/completions", "{\(StructuredOutputTests.said),\"response_format\":{\"type\":\"text\"}}")
            #expect(open.status == 200)
        }
    }

    @Test("Several samples, streams and log-probabilities of one form")
    func samplesAndStreams() async throws {
        try await TestServer.with { server in
            let field = StructuredOutputTests.schemaFields[0]
            let body = "{\(StructuredOutputTests.said),\"n\":3,\"logprobs\":true,\"top_logprobs\":2,\(field)}"
            let choices = try await server.post("/v1/chat/completions", body).json()["choices"]?.array.map(Array.init)
            #expect(choices?.count == 3)
            for choice in choices ?? [] {
                let content = choice["message"]?["content"]?.string
                expectPerson(content, "sample")
                let bytes = choice["logprobs"]?["content"]?.array?.flatMap { entry in
                    entry["bytes"]?.array?.compactMap { $0.int.map(UInt8.init) } ?? []
                }
                #expect(bytes.map { String(decoding: $0, as: UTF8.self) } == content)
            }
            let stream = try await server.post(
                "/v1/chat/completions", "{\(StructuredOutputTests.said),\"stream\":true,\(field)}")
            let whole = try await server.post("/v1/chat/completions", "{\(StructuredOutputTests.said),\(field)}")
            let text = try stream.events.dropLast().map { try JSONDocument(parsing: $0).root }
                .compactMap { $0["choices"]?.array?.first?["delta"]?["content"]?.string }.joined()
            expectPerson(text, "stream")
            #expect(text == (try message(whole)?["content"]?.string))
        }
    }

    @Test("Responses and Anthropic's messages")
    func otherDialects() async throws {
        try await TestServer.with { server in
            let format = "{\"type\":\"json_schema\",\"name\":\"p\",\"schema\":\(StructuredOutputTests.schema)}"
            let response = try await server.post(
                "/v1/responses", "{\"input\":\"Who?\",\"max_output_tokens\":120,\"text\":{\"format\":\(format)}}"
            ).json()
            expectPerson(
                response["output"]?.array?.first?["content"]?.array?.first?["text"]?.string, "responses")
            #expect(response["text"]?["format"]?["type"]?.string == "json_schema")
            let output = "{\"type\":\"json_schema\",\"schema\":\(StructuredOutputTests.schema)}"
            for field in ["\"output_format\":\(output)", "\"output_config\":{\"format\":\(output)}"] {
                let body = "{\"model\":\"bard\",\(StructuredOutputTests.said),\(field)}"
                let answer = try await server.post("/v1/messages", body).json()
                expectPerson(answer["content"]?.array?.first?["text"]?.string, field)
                #expect(answer["stop_reason"]?.string == "end_turn", "\(field)")
            }
        }
    }

    @Test("A schema that cannot be followed is 400 with its field, in streams too, and nothing else is touched")
    func badSchemas() async throws {
        try await TestServer.with { server in
            let bad = #"{"type":"json_schema","json_schema":{"schema":{"type":"object","properties":{"a":7}}}}"#
            for stream in [false, true] {
                let answer = try await server.post(
                    "/v1/chat/completions",
                    "{\(StructuredOutputTests.said),\"stream\":\(stream),\"response_format\":\(bad)}")
                #expect(answer.status == 400, "\(answer.text)")
                #expect(try answer.json()["error"]?["param"]?.string == "response_format")
                let message = try answer.json()["error"]?["message"]?.string ?? ""
                #expect(message.hasPrefix("response_format: ") && !message.contains("\n"), "\(message)")
            }
            let fine = try await server.post(
                "/v1/chat/completions", "{\(StructuredOutputTests.said),\(StructuredOutputTests.schemaFields[0])}")
            expectPerson(try message(fine)?["content"]?.string, "after it")
        }
    }
}

/// Calls that a request forces, of models that know nothing of tools.
struct ForcedToolTests {
    private static let said = #""messages":[{"role":"user","content":"How is it?"}],"seed":5"#
    private static let parameters = """
        {"type":"object","properties":{"city":{"$ref":"#/$defs/city"},"days":{"type":"integer","minimum":0,\
        "maximum":9}},"required":["city","days"],"additionalProperties":false,"$defs":{"city":{"enum":["Bonn","Ulm"]}}}
        """
    private static let functions = [
        "{\"name\":\"weather\",\"parameters\":\(parameters)}",
        #"{"name":"clock","parameters":{"type":"object","properties":{},"additionalProperties":false}}"#,
    ]
    private static let tools =
        "\"tools\":[" + functions.map { "{\"type\":\"function\",\"function\":\($0)}" }.joined(separator: ",") + "]"

    private func expectWeather(_ arguments: String?, _ name: String) {
        guard let root = try? JSONDocument(parsing: arguments ?? "").root else {
            Issue.record("\(name): no JSON: \(arguments ?? "nothing")")
            return
        }
        #expect(["Bonn", "Ulm"].contains(root["city"]?.string ?? ""), "\(name)")
        #expect((0...9).contains(root["days"]?.int ?? -1), "\(name)")
    }

    @Test("OpenAI's chat: a named function, any function, allowed ones; whole and streamed")
    func chat() async throws {
        try await TestServer.with { server in
            let named = #""tool_choice":{"type":"function","function":{"name":"weather"}}"#
            let allowed = """
                "tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required",\
                "tools":[{"type":"function","function":{"name":"weather"}}]}}
                """
            for choice in [named, allowed] {
                let body = "{\(ForcedToolTests.said),\(ForcedToolTests.tools),\(choice)}"
                let answer = try await server.post("/v1/chat/completions", body).json()["choices"]?.array?.first
                #expect(answer?["finish_reason"]?.string == "tool_calls", "\(choice)")
                #expect(answer?["message"]?["content"]?.isNull == true, "\(choice)")
                let calls = answer?["message"]?["tool_calls"]?.array.map(Array.init) ?? []
                #expect(calls.count == 1)
                #expect(calls.first?["function"]?["name"]?.string == "weather")
                expectWeather(calls.first?["function"]?["arguments"]?.string, choice)
                let stream = try await server.post("/v1/chat/completions", body.dropLast() + ",\"stream\":true}")
                let deltas = try stream.events.dropLast().map { try JSONDocument(parsing: $0).root }
                    .compactMap { $0["choices"]?.array?.first?["delta"]?["tool_calls"]?.array?.first }
                expectWeather(
                    deltas.compactMap { $0["function"]?["arguments"]?.string }.joined(), "stream of \(choice)")
            }
            let any = "{\(ForcedToolTests.said),\(ForcedToolTests.tools),\"tool_choice\":\"required\",\"n\":4}"
            let choices = try await server.post("/v1/chat/completions", any).json()["choices"]?.array.map(Array.init)
            #expect(choices?.count == 4)
            for choice in choices ?? [] {
                let function = choice["message"]?["tool_calls"]?.array?.first?["function"]
                #expect(["weather", "clock"].contains(function?["name"]?.string ?? ""))
                if function?["name"]?.string == "weather" { expectWeather(function?["arguments"]?.string, "any") }
            }
        }
    }

    @Test("Anthropic's messages and responses force calls too")
    func otherDialects() async throws {
        try await TestServer.with { server in
            let tools = "\"tools\":[{\"name\":\"weather\",\"input_schema\":\(ForcedToolTests.parameters)}]"
            for choice in [#"{"type":"tool","name":"weather"}"#, #"{"type":"any"}"#] {
                let body =
                    "{\"model\":\"bard\",\"max_tokens\":200,\(ForcedToolTests.said),\(tools),\"tool_choice\":\(choice)}"
                let answer = try await server.post("/v1/messages", body).json()
                #expect(answer["stop_reason"]?.string == "tool_use", "\(choice)")
                let block = answer["content"]?.array?.first
                #expect(block?["type"]?.string == "tool_use")
                expectWeather(block?["input"].map { JSON($0).text }, choice)
            }
            let function =
                "\"tools\":[{\"type\":\"function\",\"name\":\"weather\",\"parameters\":\(ForcedToolTests.parameters)}]"
            for choice in [#"{"type":"function","name":"weather"}"#, "\"required\""] {
                let body = "{\"input\":\"How is it?\",\(function),\"tool_choice\":\(choice)}"
                let item = try await server.post("/v1/responses", body).json()["output"]?.array?.first
                #expect(item?["type"]?.string == "function_call", "\(choice)")
                expectWeather(item?["arguments"]?.string, choice)
            }
        }
    }

    @Test("A model that reasons does so first; what it would say next is left out where a call is forced")
    func reasoning() async throws {
        let folder = ReferenceMaterial.fixtures.appendingPathComponent("scripted").path
        try await TestServer.with(folder: folder) { server in
            let said = #""messages":[{"role":"user","content":"How is it?"}],"temperature":0"#
            let schema =
                #"{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"#
                + #""required":["city","days"],"additionalProperties":false}"#
            let tools =
                "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"parameters\":\(schema)}}]"
            let forced = "{\(said),\(tools),\"tool_choice\":\"required\"}"
            let called = try await server.post("/v1/chat/completions", forced).json()["choices"]?.array?.first
            #expect(called?["message"]?["reasoning_content"]?.string == "I need the weather.")
            #expect(called?["message"]?["content"]?.isNull == true, "\(called?["message"]?["content"]?.string ?? "")")
            let function = called?["message"]?["tool_calls"]?.array?.first?["function"]
            #expect(function?["arguments"]?.string == #"{"city":"Köln","days":2}"#)
            #expect(called?["finish_reason"]?.string == "tool_calls")
            let word = try await server.post("/v1/chat/completions", "{\(said),\"guided_regex\":\"Let me see[.]\"}")
            let message = try word.json()["choices"]?.array?.first?["message"]
            #expect(message?["reasoning_content"]?.string == "I need the weather.", "\(word.text)")
            #expect(message?["content"]?.string == "Let me see.")
            // What the model would have reasoned with is not there where it may not begin so.
            let text = try await server.post(
                "/v1/completions", "{\"prompt\":\"<|prompt|>\",\"temperature\":0,\"guided_choice\":[\"Let me see.\"]}")
            #expect(try text.json()["choices"]?.array?.first?["text"]?.string == "Let me see.")
        }
    }

    @Test("Where a form and tools are given, the answer has the form or calls a tool")
    func formOrCall() async throws {
        try await TestServer.with { server in
            let schema =
                #"{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"],"#
                + #""additionalProperties":false}"#
            let format =
                "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":\(schema)}}"
            for seed in 0..<4 {
                let body =
                    "{\"messages\":[{\"role\":\"user\",\"content\":\"?\"}],\"seed\":\(seed),"
                    + "\(ForcedToolTests.tools),\(format)}"
                let message = try await server.post("/v1/chat/completions", body).json()["choices"]?.array?.first?[
                    "message"]
                if let call = message?["tool_calls"]?.array?.first {
                    #expect(["weather", "clock"].contains(call["function"]?["name"]?.string ?? ""))
                } else {
                    let text = message?["content"]?.string ?? ""
                    #expect((try? JSONDocument(parsing: text).root["ok"]?.bool) != nil, "\(text)")
                }
            }
        }
    }
}
