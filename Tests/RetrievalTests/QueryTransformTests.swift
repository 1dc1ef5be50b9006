import CPUBackend
import Foundation
import Inference
import JSONCore
import Synchronization
import Testing

import Retrieval

/// Says what it is told to, and remembers what it was asked.
private final class ScriptedGenerator: QueryGenerator {
    private let answers: [String]
    private let asked = Mutex<[(prompt: String, schema: String?)]>([])

    init(_ answers: [String]) { self.answers = answers }

    var prompts: [(prompt: String, schema: String?)] { asked.withLock { $0 } }

    func generate(_ prompt: String, schema: String?, maximumTokenCount: Int) async throws -> String {
        let place = asked.withLock { asked in
            asked.append((prompt, schema))
            return asked.count - 1
        }
        return place < answers.count ? answers[place] : ""
    }
}

@Suite("Query transforms")
struct QueryTransformTests {
    private func scratch() async throws -> Scratch {
        let scratch = try Scratch()
        let texts = ["heron wades", "pike waits", "stork nests", "heron and pike", "frog jumps", "nothing at all"]
        let lines = texts.enumerated().map { #"{"id":"\#($0)","text":"\#($1)"}"# + "\n" }
        try scratch.write("d.jsonl", lines.joined())
        try await scratch.index(
            jsonLines: [scratch.path + "/d.jsonl"], embedder: WordEmbedder(givesTermWeights: false))
        return scratch
    }

    private func searcher(_ scratch: Scratch, reranker: (any TextReranker)? = nil) throws -> Searcher {
        try Searcher(
            CollectionReader(path: scratch.collection), embedder: WordEmbedder(givesTermWeights: false),
            reranker: reranker, on: CPUBackend(threadCount: 1))
    }

    @Test("Each transform asks the generator under a schema and keeps the question")
    func transforms() async throws {
        let generator = ScriptedGenerator([
            #"{"question":"When does the heron nest?"}"#,
            #"{"queries":["where is the heron"," when  do birds nest "]}"#,
            #"{"queries":["WHEN does the heron nest","heron's nesting season"]}"#, "  Herons nest\nin spring. ",
        ])
        let query = try await QueryTransformer(generator, count: 2).transform(
            "And when does it nest?", by: Set(QueryTransform.allCases),
            history: [("user", "What is a heron?"), ("assistant", "A bird.")])
        #expect(query.question == "When does the heron nest?")
        #expect(query.others == ["where is the heron", "when do birds nest", "heron's nesting season"])
        #expect(query.passages == ["Herons nest in spring."])
        let prompts = generator.prompts
        #expect(prompts.count == 4 && prompts[0].prompt.contains("User: What is a heron?\nAssistant: A bird."))
        #expect(prompts[0].prompt.hasSuffix("User: And when does it nest?\n"))
        #expect(prompts[1].prompt.hasSuffix("Question: When does the heron nest?"))
        for (index, prompt) in prompts.enumerated() {
            #expect((prompt.schema == nil) == (index == 3))
            if let schema = prompt.schema { _ = try JSONDocument(parsing: schema) }
        }
        #expect(prompts[1].schema?.contains("\"maxItems\":2") == true)
    }

    @Test("What a generator writes badly leaves the question as it was; a list that was cut off keeps what is whole")
    func badAnswers() async throws {
        for answer in ["", "no JSON", "{\"queries\": 7}", "{\"queries\": [\"  \"]}", "[1]", "\""] {
            let query = try await QueryTransformer(ScriptedGenerator([answer, answer, answer, " "])).transform(
                "why", by: Set(QueryTransform.allCases), history: [("user", "a")])
            #expect(query == TransformedQuery("why"), "\(answer)")
        }
        let cut = ScriptedGenerator([#"{"queries": ["one \"x\"", "two", "thr"#])
        #expect(
            try await QueryTransformer(cut).transform("why", by: [.subQueries]).others == [#"one "x""#, "two"])
        // Without a conversation there is nothing to write anew.
        let unasked = ScriptedGenerator([])
        #expect(try await QueryTransformer(unasked).transform("why", by: [.history]) == TransformedQuery("why"))
        #expect(unasked.prompts.isEmpty)
    }

    @Test("Several queries are fused by reciprocal rank")
    func fusion() async throws {
        let scratch = try await scratch()
        let searcher = try searcher(scratch)
        let options = SearchOptions(mode: .lexical, count: 3)
        let query = TransformedQuery("heron", others: ["pike", "frog"])
        var single = options
        single.count = 6
        var scores: [Int64: Double] = [:]
        for text in query.queries {
            for (rank, hit) in try await searcher.hits(text, single).enumerated() {
                scores[hit.chunk, default: 0] += 1 / (60 + Double(rank + 1))
            }
        }
        let found = try await searcher.ranking(query, options)
        #expect(found.hits.count == 3)
        for hit in found.hits { #expect(abs(hit.score - (scores[hit.chunk] ?? 0)) < 1e-12) }
        #expect(try await searcher.search(query, options)[0].chunk.key == "3")
        #expect(Set(found.lexical?.map(\.chunk) ?? []).count == 4)
        let alone = try await searcher.hits("heron", options)
        #expect(try await searcher.ranking(TransformedQuery("heron"), options).hits == alone)
    }

    @Test("A made-up passage moves the vector arm and not the words")
    func hyde() async throws {
        let scratch = try await scratch()
        let searcher = try searcher(scratch)
        let dense = SearchOptions(mode: .dense, count: 6)
        let plain = try await searcher.search("unknown", dense)
        let moved = try await searcher.search(TransformedQuery("unknown", passages: ["the frog jumps"]), dense)
        #expect(moved[0].chunk.key == "4" && moved[0].score > plain[0].score)
        // The mean of both vectors, brought to length 1.
        let vectors = try await WordEmbedder().embed(["unknown", "the frog jumps", "frog jumps"], isQuery: false)
        let mean = zip(vectors[0], vectors[1]).map { Double($0 + $1) }
        let length = mean.reduce(0) { $0 + $1 * $1 }.squareRoot()
        let cosine = zip(mean, vectors[2]).reduce(0) { $0 + $1.0 / length * Double($1.1) }
        #expect(abs(moved[0].score - cosine) < 2e-3)
        let lexical = SearchOptions(mode: .lexical, count: 6)
        #expect(try await searcher.search(TransformedQuery("unknown", passages: ["frog"]), lexical).isEmpty)
    }

    private struct LengthReranker: TextReranker {
        func score(query: String, texts: [String]) async throws -> [Double] {
            texts.map { query == "heron" ? -Double($0.count) : 0 }
        }
    }

    @Test("A reranker goes by the question, and sources by whatever was searched for")
    func afterwards() async throws {
        let scratch = try await scratch()
        let reranked = try searcher(scratch, reranker: LengthReranker())
        let query = TransformedQuery("heron", others: ["pike"])
        let hits = try await reranked.search(query, SearchOptions(mode: .lexical, count: 2))
        #expect(hits.map(\.chunk.key) == ["1", "0"])

        let plain = try searcher(scratch)
        let answerer = Answerer(plain, .init(search: SearchOptions(mode: .lexical)))
        #expect(try await answerer.sources(for: "What is a unicorn?").isEmpty)
        let asked = TransformedQuery("What is a unicorn?", others: ["who nests, the stork?"])
        let found = try await answerer.sources(for: asked)
        #expect(found.map(\.key) == ["2"])
    }

    @Test("The bundled model transforms under its grammar")
    func bundled() async throws {
        let package = try ModelPackage.bundled()
        let engine = try await Engine(package, on: CPUBackend(threadCount: 1), options: EngineOptions())
        let encoder = try PromptEncoder(package, contextLength: engine.contextLength)
        let generator = EngineGenerator(engine, encoder: encoder)
        let schema =
            #"{"type":"object","properties":{"queries":{"type":"array","items":{"type":"string","minLength":1,"#
            + #""maxLength":20},"minItems":1,"maxItems":2}},"required":["queries"],"additionalProperties":false}"#
        let text = try await generator.generate("Question: Who is there?", schema: schema, maximumTokenCount: 120)
        #expect((1...2).contains(try JSONDocument(parsing: text).root["queries"]?.array?.count ?? 0), "\(text)")
        let query = try await QueryTransformer(generator, count: 2).transform(
            "Who is there?", by: [.paraphrases, .hyde])
        #expect(query.question == "Who is there?" && query.others.count <= 2 && query.passages.count <= 1)
        #expect(query.others.allSatisfy { !$0.isEmpty && $0.count <= 300 })
    }
}
