import CPUBackend
import TestSupport
import Testing

import Retrieval

@Suite("Knowledge graph")
struct GraphTests {
    private let documents: [(id: String, text: String)] = [
        ("inception", "Inception was directed by Christopher Nolan."),
        ("nolan", "Christopher Nolan was born in Westminster in 1970."),
        ("dunkirk", "Dunkirk was directed by Christopher Nolan too."),
        ("heat", "Heat was directed by Michael Mann, who comes from Chicago."),
        ("noise", "A film needs a director, and a director was born somewhere."),
    ]
    private let triples = [
        #"{"subject":"Inception","relation":"directed by","object":"Christopher Nolan","document":"inception"}"#,
        #"{"subject":"Christopher Nolan","predicate":"born in","object":"Westminster"}"#,
        #"{"subject":"Dunkirk","relation":"directed by","object":"christopher NOLAN"}"#,
        #"{"subject":"Heat","relation":"directed by","object":"Michael Mann","document":"heat"}"#,
        #"{"subject":"Michael Mann","relation":"born in","object":"Chicago","document":"heat"}"#,
    ]

    private func write(_ scratch: Scratch, without left: Set<String> = []) throws {
        try scratch.write(
            "d.jsonl",
            documents.filter { !left.contains($0.id) }.map { #"{"id":"\#($0.id)","text":"\#($0.text)"}"# + "\n" }
                .joined())
    }

    private func keys(_ scratch: Scratch, _ query: String, hops: Int = 2, filter: String? = nil) async throws
        -> [String]
    {
        let searcher = try Searcher(CollectionReader(path: scratch.collection))
        let options = SearchOptions(
            mode: .graph, filter: try filter.map { try DocumentFilter($0) }, graphHops: hops)
        return try await searcher.search(query, options).map(\.chunk.key)
    }

    private func made() async throws -> Scratch {
        let scratch = try Scratch()
        try write(scratch)
        try await scratch.index(jsonLines: [scratch.path + "/d.jsonl"])
        try scratch.write("t.jsonl", triples.joined(separator: "\n"))
        let report = try await TripleIndexer(DocumentCollection(path: scratch.collection))
            .add(file: scratch.path + "/t.jsonl")
        #expect(report.placed == 5 && report.skipped.isEmpty, "\(report.skipped)")
        return scratch
    }

    @Test("Questions of one hop and of two find the chunks that state the relations")
    func hops() async throws {
        let scratch = try await made()
        #expect(try await keys(scratch, "Who directed Heat?", hops: 1) == ["heat"])
        #expect(
            try await keys(scratch, "Where was Christopher Nolan's family when he was born?", hops: 1).first == "nolan")
        let one = try await keys(scratch, "Where was the director of Inception born?", hops: 1)
        #expect(one == ["inception"])
        let two = try await keys(scratch, "Where was the director of Inception born?")
        // The walk goes on to what is said of the director: first what the question asks for.
        #expect(two == ["inception", "nolan", "dunkirk"] || two == ["nolan", "inception", "dunkirk"])
        #expect(
            try await keys(scratch, "Where was the director of Inception born?", filter: "id != inception").first
                == "nolan")
        // A relation between two entities of the question comes first.
        #expect(
            try await keys(scratch, "What have Dunkirk and Christopher Nolan to do with each other?").first == "dunkirk"
        )
        #expect(try await keys(scratch, "What is a director?").isEmpty)
        let hits = try await Searcher(CollectionReader(path: scratch.collection))
            .ranking("Where was the director of Inception born?", SearchOptions(mode: .hybrid))
        #expect(hits.arms[.graph]?.count == 3 && hits.arms[.lexical]?.isEmpty == false && hits.dense == nil)
    }

    @Test("The same relations of two files count once, and stay when one of the files drops them")
    func sameRelations() async throws {
        let scratch = try await made()
        func hits() async throws -> [Hit] {
            try await Searcher(CollectionReader(path: scratch.collection))
                .hits("Who directed Heat?", SearchOptions(mode: .graph))
        }
        let before = try await hits()
        let indexer = TripleIndexer(try DocumentCollection(path: scratch.collection))
        try scratch.write("u.jsonl", triples.joined(separator: "\n"))
        _ = try await indexer.add(file: scratch.path + "/u.jsonl")
        #expect(try await hits() == before)
        let collection = try DocumentCollection(path: scratch.collection)
        #expect(try collection.graphSize() == .init(entityCount: 7, relationCount: 5))
        try scratch.write("u.jsonl", "")
        _ = try await indexer.add(file: scratch.path + "/u.jsonl")
        #expect(try await hits() == before)
    }

    @Test("Relations go with their chunks, and a file read anew replaces what it gave")
    func changes() async throws {
        let scratch = try await made()
        let collection = try DocumentCollection(path: scratch.collection)
        #expect(try collection.graphSize() == .init(entityCount: 7, relationCount: 5))
        try write(scratch, without: ["heat", "nolan"])
        try await scratch.index(jsonLines: [scratch.path + "/d.jsonl"])
        #expect(try collection.graphSize() == .init(entityCount: 3, relationCount: 2))
        #expect(try await keys(scratch, "Michael Mann").isEmpty)
        try scratch.write("t.jsonl", triples[0])
        _ = try await TripleIndexer(collection).add(file: scratch.path + "/t.jsonl")
        #expect(try collection.graphSize() == .init(entityCount: 2, relationCount: 1))
        try scratch.write("t.jsonl", "")
        _ = try await TripleIndexer(collection).add(file: scratch.path + "/t.jsonl")
        await #expect(throws: RetrievalError.noGraph(path: scratch.collection)) { try await keys(scratch, "Inception") }
    }

    @Test("Lines that are no triples, and triples that no chunk states, are told and left out")
    func badLines() async throws {
        let scratch = try await made()
        try scratch.write(
            "bad.jsonl",
            [
                "", "[1]", "{", #"{"subject":"a","relation":"b"}"#, #"{"subject":"a","relation":"b","object":3}"#,
                #"{"subject":"?!","relation":"b","object":"c"}"#,
                #"{"subject":"Heat","relation":"like","object":"Inception"}"#,
                #"{"subject":"Heat","relation":"like","object":"Inception","document":"none"}"#,
                #"{"subject":"x","relation":"y","object":"z","document":"noise"}"#,
                #"{"subject":"\#(String(repeating: "n", count: 2000))","relation":"y","object":"z"}"#,
            ].joined(separator: "\n"))
        let report = try await TripleIndexer(DocumentCollection(path: scratch.collection))
            .add(file: scratch.path + "/bad.jsonl")
        #expect(report.placed == 1 && report.skipped.count == 8, "\(report.skipped)")
        #expect(report.skipped.allSatisfy { !$0.contains("\n") && $0.contains("bad.jsonl, line ") })
        #expect(try await keys(scratch, "x") == ["noise"])
        await #expect(throws: RetrievalError.self) {
            _ = try await TripleIndexer(DocumentCollection(path: scratch.collection)).add(file: scratch.path + "/none")
        }
        var generator = SplitMix64(seed: 11)
        let whole = Array(triples.joined(separator: "\n").utf8)
        for _ in 0..<200 {
            var bytes = whole
            for _ in 0..<4 { bytes[generator.next(below: bytes.count)] = UInt8(generator.next(below: 256)) }
            try scratch.write("bad.jsonl", bytes: Array(bytes.prefix(generator.next(below: bytes.count + 1))))
            _ = try await TripleIndexer(DocumentCollection(path: scratch.collection))
                .add(file: scratch.path + "/bad.jsonl")
        }
    }

    /// Says of every text that the words before and behind "by" belong together, and something that is not there.
    private struct ByExtractor: TripleExtractor {
        let batchCount = 2

        func triples(in texts: [String]) async throws -> [[Triple]] {
            texts.map { text in
                let words = Analyzer.simple.terms(in: text)
                guard let place = words.firstIndex(of: "by"), place > 0, place + 2 < words.count else { return [] }
                return [
                    Triple(subject: words[0], relation: "by", object: words[place + 1] + " " + words[place + 2]),
                    Triple(subject: words[0], relation: "by", object: "Orson Welles"),
                ]
            }
        }
    }

    @Test("A generator reads each chunk once, and what the chunk does not name is left out")
    func extraction() async throws {
        let scratch = try Scratch()
        try write(scratch)
        let lines = [scratch.path + "/d.jsonl"]
        try await scratch.index(jsonLines: lines)
        let collection = try DocumentCollection(path: scratch.collection)
        let report = try await TripleIndexer(collection).extract(by: ByExtractor())
        #expect(report.extractedChunks == 5 && report.placed == 3)
        #expect(try await keys(scratch, "orson welles").isEmpty)
        #expect(Set(try await keys(scratch, "Christopher Nolan", hops: 1)) == ["inception", "dunkirk"])
        #expect(try await TripleIndexer(collection).extract(by: ByExtractor()).extractedChunks == 0)
        try write(scratch, without: ["dunkirk"])
        try await scratch.index(jsonLines: lines)
        try write(scratch)
        try await scratch.index(jsonLines: lines)
        #expect(try await keys(scratch, "Christopher Nolan", hops: 1) == ["inception"])
        #expect(try await TripleIndexer(collection).extract(by: ByExtractor()).extractedChunks == 1)
        #expect(Set(try await keys(scratch, "Christopher Nolan", hops: 1)) == ["inception", "dunkirk"])
    }
}
