import Foundation
import JSONCore
import Serving
import TestSupport
import Testing

/// What the APIs make of an answer that reasons, says something and calls a tool. The model says the same whatever it is
/// asked (Tools/make_scripted_model.py).
struct ToolTests {
    private static let folder = ReferenceMaterial.fixtures.appendingPathComponent("scripted").path
    private static let ask = #""model":"bard","messages":[{"role":"user","content":"How is it?"}],"temperature":0"#
    private static let schema = #"{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}}}"#
    private static let tools =
        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"parameters\":\(schema)}}]"
    private static let arguments = #"{"city":"Köln","days":2}"#
    private static let written = """
        Let me see.
        <tool_call>
        {"name": "weather", "arguments": {"city": "Köln", "days": 2}}
        </tool_call>
        """

    private func withServer(_ body: (TestServer) async throws -> Void) async throws {
        try await TestServer.with(folder: ToolTests.folder, body)
    }

    @Test("OpenAI's chat: reasoning, text and a call, whole and streamed")
    func chat() async throws {
        try await withServer { server in
            let path = "/v1/chat/completions"
            let choice = try await server.post(path, "{\(ToolTests.ask),\(ToolTests.tools)}").json()["choices"]?.array?
                .first
            let message = choice?["message"]
            #expect(choice?["finish_reason"]?.string == "tool_calls")
            #expect(message?["reasoning_content"]?.string == "I need the weather.")
            #expect(message?["content"]?.string == "Let me see.")
            let call = message?["tool_calls"]?.array?.first
            #expect(call?["function"]?["name"]?.string == "weather")
            #expect(call?["function"]?["arguments"]?.string == ToolTests.arguments)
            #expect(call?["id"]?.string?.hasPrefix("call_") == true)

            let stream = try await server.post(path, "{\(ToolTests.ask),\(ToolTests.tools),\"stream\":true}")
            let choices = try stream.events.dropLast().map { try JSONDocument(parsing: $0).root }
                .compactMap { $0["choices"]?.array?.first }
            let deltas = choices.compactMap { $0["delta"] }
            #expect(deltas.compactMap { $0["reasoning_content"]?.string }.joined() == "I need the weather.")
            #expect(deltas.compactMap { $0["content"]?.string }.joined() == "Let me see.")
            let calls = deltas.compactMap { $0["tool_calls"]?.array?.first }
            #expect(calls.count == 1 && calls.first?["index"]?.int == 0)
            #expect(calls.first?["function"]?["arguments"]?.string == ToolTests.arguments)
            #expect(choices.compactMap { $0["finish_reason"]?.string } == ["tool_calls"])
        }
    }

    @Test("Without tools a call is text, and reasoning stays in it where it is asked for")
    func plain() async throws {
        try await withServer { server in
            for fields in ["", ",\(ToolTests.tools),\"tool_choice\":\"none\""] {
                let body = "{\(ToolTests.ask)\(fields)}"
                let choice = try await server.post("/v1/chat/completions", body).json()["choices"]?.array?.first
                #expect(choice?["message"]?["content"]?.string == ToolTests.written)
                #expect(choice?["message"]?["tool_calls"] == nil)
                #expect(choice?["finish_reason"]?.string == "stop")
            }
            let body = "{\(ToolTests.ask),\"reasoning_format\":\"none\"}"
            let message = try await server.post("/v1/chat/completions", body).json()["choices"]?.array?.first?[
                "message"]
            #expect(message?["content"]?.string == "<think>\nI need the weather.\n</think>\n\n" + ToolTests.written)
            let wrong = try await server.post(
                "/v1/chat/completions", "{\(ToolTests.ask),\"reasoning_format\":\"loud\"}")
            #expect(wrong.status == 400)
        }
    }

    @Test("An answer that is cut off within a call gives what there is as text")
    func cutOff() async throws {
        try await withServer { server in
            let body = "{\(ToolTests.ask),\(ToolTests.tools),\"max_tokens\":12}"
            let choice = try await server.post("/v1/chat/completions", body).json()["choices"]?.array?.first
            #expect(choice?["finish_reason"]?.string == "length")
            #expect(choice?["message"]?["tool_calls"] == nil)
            #expect(choice?["message"]?["content"]?.string == "Let me see.\n<tool_call>\n{\"name\": \"weather\", ")
        }
    }

    @Test("Anthropic's messages: thinking, text and tool_use blocks, whole and streamed")
    func messages() async throws {
        try await withServer { server in
            let tools = "\"tools\":[{\"name\":\"weather\",\"input_schema\":\(ToolTests.schema)}]"
            let body = "{\(ToolTests.ask),\(tools),\"max_tokens\":30}"
            let whole = try await server.post("/v1/messages", body).json()
            let blocks = whole["content"]?.array.map(Array.init) ?? []
            #expect(blocks.map { $0["type"]?.string ?? "" } == ["thinking", "text", "tool_use"])
            #expect(blocks.last?["input"]?["days"]?.int == 2)
            #expect(whole["stop_reason"]?.string == "tool_use")
            let stream = try await server.post("/v1/messages", body.dropLast() + ",\"stream\":true}")
            let events = try stream.events.map { try JSONDocument(parsing: $0).root }
            let deltas = events.compactMap { $0["delta"] }
            #expect(deltas.compactMap { $0["thinking"]?.string }.joined() == "I need the weather.")
            #expect(deltas.compactMap { $0["text"]?.string }.joined() == "Let me see.")
            #expect(deltas.compactMap { $0["partial_json"]?.string }.joined() == ToolTests.arguments)
            #expect(deltas.compactMap { $0["stop_reason"]?.string } == ["tool_use"])
            let starts = events.filter { $0["type"]?.string == "content_block_start" }
            #expect(starts.map { $0["index"]?.int ?? -1 } == [0, 1, 2])
            #expect(events.filter { $0["type"]?.string == "content_block_stop" }.count == 3)
        }
    }

    @Test("Responses: items of reasoning, message and call; the tool's output goes on from it")
    func responses() async throws {
        try await withServer { server in
            let tools = "\"tools\":[{\"type\":\"function\",\"name\":\"weather\",\"parameters\":\(ToolTests.schema)}]"
            let body = "{\"input\":\"How is it?\",\"temperature\":0,\(tools)}"
            let whole = try await server.post("/v1/responses", body).json()
            let items = whole["output"]?.array.map(Array.init) ?? []
            #expect(items.map { $0["type"]?.string ?? "" } == ["reasoning", "message", "function_call"])
            #expect(items.last?["arguments"]?.string == ToolTests.arguments)
            let call = items.last?["call_id"]?.string ?? ""
            let next = """
                {"previous_response_id":"\(whole["id"]?.string ?? "")","temperature":0,\(tools),
                "input":[{"type":"function_call_output","call_id":"\(call)","output":"rain"}]}
                """
            #expect(try await server.post("/v1/responses", next).status == 200)
            let stream = try await server.post("/v1/responses", body.dropLast() + ",\"stream\":true}")
            let events = try stream.events.map { try JSONDocument(parsing: $0).root }
            #expect(events.map { $0["sequence_number"]?.int ?? -1 } == Array(0..<events.count))
            func of(_ type: String) -> [JSONValue] { events.filter { $0["type"]?.string == type } }
            #expect(of("response.output_item.added").map { $0["output_index"]?.int ?? -1 } == [0, 1, 2])
            #expect(of("response.function_call_arguments.done").first?["arguments"]?.string == ToolTests.arguments)
            #expect(of("response.output_text.delta").compactMap { $0["delta"]?.string }.joined() == "Let me see.")
            #expect(of("response.completed").count == 1)
        }
    }
}
