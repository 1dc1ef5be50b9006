import Foundation
import JSONCore
import Serving
import TestSupport
import Testing

/// The search tool that the server runs itself. The model calls it and, once it has heard what was found, answers with
/// citations (Tools/make_scripted_model.py).
@Suite("The search tool of chats")
struct SearchToolTests {
    private static let path = "/v1/chat/completions"
    private static let folder = ReferenceMaterial.fixtures.appendingPathComponent("scripted-search").path
    private static let ask = #""model":"bard","messages":[{"role":"user","content":"Who wades?"}],"temperature":0"#
    private static let said = "Let me look.\n\nThe heron wades [1], the pike waits [3, 9]."

    private func withServer(
        _ collections: [ListCollection], _ body: (TestServer) async throws -> Void
    ) async throws {
        try await TestServer.with(folder: SearchToolTests.folder, collections: collections, body)
    }

    private func birds() -> ListCollection {
        ListCollection("birds", ["the heron wades", "a stork", "the pike waits", "a fourth"])
    }

    @Test(
        "The server runs the search, the model answers, and the answer says what it stands on",
        arguments: [
            #"{"type":"search","top_k":3}"#, #"{"type":"search","search":{"collections":["birds"],"top_k":3}}"#,
            #"{"type":"file_search","vector_store_ids":["birds"],"max_num_results":3}"#,
        ])
    func whole(tool: String) async throws {
        let collection = birds()
        try await withServer([collection]) { server in
            let json = try await server.post(
                SearchToolTests.path, "{\(SearchToolTests.ask),\"tools\":[\(tool)]}"
            ).json()
            let choice = json["choices"]?.array?.first
            let message = choice?["message"]
            #expect(choice?["finish_reason"]?.string == "stop")
            #expect(message?["content"]?.string == SearchToolTests.said)
            #expect(message?["tool_calls"] == nil)
            let citations = message?["annotations"]?.array?.compactMap { $0["url_citation"] } ?? []
            #expect(citations.map { $0["number"]?.int } == [1, 3])
            #expect(citations.first?["url"]?.string == "file:///docs/birds%200.md#L3-L4")
            #expect(citations.first?["title"]?.string == "0 › Birds")
            let start = citations.first?["start_index"]?.int ?? 0
            let end = citations.first?["end_index"]?.int ?? 0
            #expect(String(Array(SearchToolTests.said)[start..<end]) == "[1]")
            let results = json["search_results"]?.array.map { $0.map { $0 } } ?? []
            #expect(results.map { $0["number"]?.int } == [1, 2, 3])
            #expect(results.map { $0["cited"]?.bool } == [true, false, true])
            #expect(results.first?["query"]?.string == "heron" && results.first?["collection"]?.string == "birds")
            #expect(json["usage"]?["prompt_tokens"]?.int == 22)
            let request = try #require(collection.requests.first)
            #expect(collection.requests.count == 1 && request.isQuestion && request.query == "heron")
        }
    }

    @Test("A stream says the same, with the citations at its end")
    func stream() async throws {
        try await withServer([birds()]) { server in
            let fields = #""tools":[{"type":"search","top_k":3}],"stream":true,"stream_options":{"include_usage":true}"#
            let answer = try await server.post(SearchToolTests.path, "{\(SearchToolTests.ask),\(fields)}")
            #expect(answer.events.last == "[DONE]")
            let chunks = try answer.events.dropLast().map { try JSONDocument(parsing: $0).root }
            let deltas = chunks.compactMap { $0["choices"]?.array?.first?["delta"] }
            #expect(deltas.compactMap { $0["content"]?.string }.joined() == SearchToolTests.said)
            #expect(deltas.filter { $0["role"]?.string == "assistant" }.count == 1)
            #expect(deltas.allSatisfy { $0["tool_calls"] == nil })
            #expect(deltas.compactMap { $0["annotations"]?.array?.count } == [2])
            #expect(chunks.compactMap { $0["search_results"]?.array?.count } == [3])
            #expect(chunks.last?["usage"]?["completion_tokens"]?.int == 19)
        }
    }

    @Test("Two collections take turns; the limit of rounds and a forced call hold")
    func several() async throws {
        let (first, second) = (birds(), ListCollection("fish", ["a trout"]))
        try await withServer([first, second]) { server in
            let tool = #"{"type":"search","collections":["fish","birds"],"top_k":3}"#
            let forced = #""tool_choice":{"type":"search"}"#
            let json = try await server.post(
                SearchToolTests.path, "{\(SearchToolTests.ask),\"tools\":[\(tool)],\(forced)}"
            ).json()
            let found = json["search_results"]?.array?.map { $0["collection"]?.string }
            #expect(found == ["fish", "birds", "birds"])
            #expect(first.requests.count == 1 && second.requests.count == 1)
        }
    }

    @Test("A chat of the client's own tools is left alone, and none means none")
    func none() async throws {
        let collection = birds()
        try await withServer([collection]) { server in
            let json = try await server.post(
                SearchToolTests.path,
                "{\(SearchToolTests.ask),\"tools\":[{\"type\":\"search\"}],\"tool_choice\":\"none\"}"
            ).json()
            #expect(json["choices"]?.array?.first?["message"]?["content"]?.string?.contains("<tool_call>") == true)
            let own = #"{"type":"function","function":{"name":"search","parameters":{"type":"object"}}}"#
            let called = try await server.post(SearchToolTests.path, "{\(SearchToolTests.ask),\"tools\":[\(own)]}")
                .json()
            #expect(called["choices"]?.array?.first?["finish_reason"]?.string == "tool_calls")
            #expect(collection.requests.isEmpty)
        }
    }

    @Test(
        "What the search tool does not take is refused",
        arguments: [
            #""tools":[{"type":"search"}],"n":2"#, #""tools":[{"type":"search"}],"logprobs":true"#,
            #""tools":[{"type":"search","collection":"fish"}]"#, #""tools":[{"type":"search","top_k":0}]"#,
            #""tools":[{"type":"search"},{"type":"function","function":{"name":"search"}}]"#,
            #""tools":[{"type":"search"},{"type":"search"}]"#, #""tools":[{"type":"web_search"}]"#,
            #""tools":[{"type":"search","mode":"dense"}]"#,
        ])
    func mistakes(fields: String) async throws {
        try await withServer([birds()]) { server in
            let answer = try await server.post(SearchToolTests.path, "{\(SearchToolTests.ask),\(fields)}")
            #expect((400..<500).contains(answer.status), "\(answer.text)")
            #expect(try answer.json()["error"]?["message"]?.string?.isEmpty == false)
        }
    }
}
