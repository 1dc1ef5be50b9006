import Foundation
import JSONCore
import Serving
import Synchronization
import TestSupport
import Testing

/// A collection of a few texts: those that hold every word of a query, in their order.
final class ListCollection: ServedCollection {
    let name: String
    private let texts: [String]
    private let asked = Mutex<[SearchRequest]>([])

    init(_ name: String, _ texts: [String]) {
        self.name = name
        self.texts = texts
    }

    var requests: [SearchRequest] { asked.withLock { $0 } }

    func status() async throws -> CollectionStatus {
        CollectionStatus(chunkCount: texts.count, modes: ["lexical"], embedder: nil)
    }

    func search(_ request: SearchRequest) async throws -> SearchAnswer {
        asked.withLock { $0.append(request) }
        if request.mode == "dense" { throw SearchFailure.invalid(field: "mode", reason: "there are no vectors") }
        if request.query == "gone" { throw SearchFailure.unavailable(reason: "the file is gone") }
        // The tool's model asks with a whole question.
        let words = request.isQuestion ? [] : request.query.split(separator: " ").map(String.init)
        let found = texts.indices.filter { index in words.allSatisfy { texts[index].contains($0) } }
        return SearchAnswer(
            mode: "lexical",
            results: found.prefix(request.count).map { index in
                SearchResult(
                    id: "\(index)", path: "/docs/\(name) \(index).md", byteRange: index..<index + 9, lines: 3...4,
                    headings: ["Birds"], text: texts[index], score: 1 / Double(index + 1))
            })
    }
}

@Suite("Searching")
struct SearchTests {
    private static let birds = ["the heron wades", "the heron and the stork", "the pike waits"]

    private func withServer(
        _ collections: [ListCollection] = [ListCollection("birds", birds)], folder: String? = nil,
        _ body: (TestServer) async throws -> Void
    ) async throws {
        try await TestServer.with(folder: folder, collections: collections, body)
    }

    @Test("A search answers with chunks, best first, and takes the fields of the command line")
    func search() async throws {
        let collection = ListCollection("birds", SearchTests.birds)
        try await withServer([collection]) { server in
            let answer = try await server.post(
                "/v1/search",
                #"{"query":"heron","top_k":2,"where":"path ~ \"b\"","k1":1.5,"fusion":"distribution","rerank":false}"#)
            let json = try answer.json()
            #expect(answer.status == 200 && json["object"]?.string == "list" && json["collection"]?.string == "birds")
            let data = json["data"]?.array.map { $0.map { $0 } } ?? []
            #expect(data.map { $0["text"]?.string } == Array(SearchTests.birds.prefix(2)))
            #expect(data[0]["id"]?.string == "0" && data[0]["path"]?.string == "/docs/birds 0.md")
            #expect(data[0]["start"]?.int == 0 && data[0]["end"]?.int == 9 && data[0]["start_line"]?.int == 3)
            #expect(data[1]["score"]?.double == 0.5 && data[1]["index"]?.int == 1)
            let request = try #require(collection.requests.first)
            #expect(request.count == 2 && request.filter == #"path ~ "b""# && request.k1 == 1.5)
            #expect(request.fusion == "distribution" && request.reranks == false && !request.isQuestion)
            let bare = try await server.post("/search", #"{"query":"stork","return_text":false}"#).json()
            #expect(bare["data"]?.array?.first?["text"] == nil && bare["data"]?.array?.count == 1)
            let list = try await server.get("/v1/collections").json()
            #expect(list["data"]?.array?.first?["id"]?.string == "birds")
            #expect(list["data"]?.array?.first?["chunks"]?.int == 3)
        }
    }

    @Test("OpenAI's search of a vector store")
    func vectorStore() async throws {
        try await withServer { server in
            let path = "/v1/vector_stores/birds/search"
            let json = try await server.post(path, #"{"query":["heron"],"max_num_results":5}"#).json()
            #expect(json["object"]?.string == "vector_store.search_results.page")
            let first = json["data"]?.array?.first
            #expect(first?["file_id"]?.string == "0" && first?["filename"]?.string == "/docs/birds 0.md")
            #expect(first?["content"]?.array?.first?["text"]?.string == "the heron wades")
            let fewer = try await server.post(
                path, #"{"query":"heron","ranking_options":{"score_threshold":0.7}}"#
            ).json()
            #expect(fewer["data"]?.array?.count == 1)
            let unknown = try await server.post("/v1/vector_stores/fish/search", #"{"query":"heron"}"#)
            #expect(unknown.status == 404)
            for fields in [#""filters":{"type":"eq"}"#, #""rewrite_query":true"#] {
                let refused = try await server.post(path, #"{"query":"heron",\#(fields)}"#)
                #expect(refused.status == 400)
            }
        }
    }

    @Test(
        "What is wrong with a search is told with the field",
        arguments: [
            (#"{}"#, 400, "query"), (#"{"query":" "}"#, 400, "query"), (#"{"query":7}"#, 400, "query"),
            (#"{"query":"a","collection":"fish"}"#, 404, "collection"), (#"{"query":"a","top_k":0}"#, 400, "top_k"),
            (#"{"query":"a","mode":"magic"}"#, 400, "mode"), (#"{"query":"a","mode":"dense"}"#, 400, "mode"),
            (#"{"query":"a","b":2}"#, 400, "b"), (#"{"query":"gone"}"#, 503, ""), (#"["#, 400, ""),
            (#"{"query":["a","b"]}"#, 400, "query"),
        ])
    func mistakes(body: String, status: Int, field: String) async throws {
        try await withServer { server in
            let answer = try await server.post("/v1/search", body)
            let error = try answer.json()["error"]
            #expect(answer.status == status, "\(answer.text)")
            #expect(error?["message"]?.string?.contains("\n") == false)
            if !field.isEmpty { #expect(error?["param"]?.string == field) }
        }
    }

    @Test("A query that is too long, a server without a collection, and another method")
    func limits() async throws {
        try await withServer { server in
            let long = String(repeating: "a ", count: 40_000)
            let answer = try await server.post("/v1/search", #"{"query":"\#(long)"}"#)
            #expect(answer.status == 400)
            let got = try await server.get("/v1/search")
            #expect(got.status == 405)
        }
        try await withServer([]) { server in
            let answer = try await server.post("/v1/search", #"{"query":"a"}"#)
            #expect(answer.status == 404)
            #expect(try answer.json()["error"]?["code"]?.string == "collection_not_found")
            let list = try await server.get("/v1/collections").json()
            #expect(list["data"]?.array?.count == 0)
        }
    }
}
