import CPUBackend
import TestSupport
import Testing

import Retrieval

@Suite("Formats of vectors")
struct VectorFormatTests {
    private func fill(_ scratch: Scratch, _ format: VectorFormat) async throws {
        let lines = (0..<300).map { #"{"id": "\#($0)", "text": "w\#($0 % 17) w\#($0 % 29) w\#($0) w\#($0 / 3)"}"# }
        try scratch.write("d.jsonl", lines.joined(separator: "\n"))
        let embedder = WordEmbedder(size: 100)
        let collection = try DocumentCollection(
            path: scratch.collection,
            settings: CollectionSettings(
                analyzer: .simple, embedder: embedder.name, embedderFingerprint: embedder.fingerprint,
                dimensionCount: embedder.dimensionCount, vectorFormat: format))
        let chunker = try Chunker(tokenCount: 30, overlapTokenCount: 5) { Analyzer.simple.terms(in: $0).count }
        var indexer = Indexer(collection, chunker: chunker, embedder: embedder)
        _ = try await indexer.index(paths: [], jsonLines: [scratch.path + "/d.jsonl"])
    }

    private func hits(_ scratch: Scratch, _ search: VectorSearch = .exact, count: Int = 20) async throws -> [Hit] {
        let searcher = try Searcher(
            CollectionReader(path: scratch.collection), embedder: WordEmbedder(size: 100),
            on: CPUBackend())
        return try await searcher.hits(
            "w5 w40 w100", SearchOptions(mode: .dense, count: count, vectorSearch: search))
    }

    @Test("int8 vectors score as FP16 ones but for their rounding, also in approximate indexes and once rewritten")
    func int8() async throws {
        let (whole, short) = (try Scratch(), try Scratch())
        try await fill(whole, .float16)
        try await fill(short, .int8)
        let all = try await hits(whole, count: 300)
        let expected = Dictionary(uniqueKeysWithValues: all.map { ($0.chunk, $0.score) })
        func check(_ found: [Hit]) {
            #expect(found.count == 20 && Set(found.map(\.chunk)).count == 20)
            // Equal scores come in any order, so scores are compared rather than chunks.
            for (hit, best) in zip(found, all) {
                #expect(abs(hit.score - (expected[hit.chunk] ?? 0)) < 0.01)
                #expect(abs(hit.score - best.score) < 0.01)
            }
        }
        check(try await hits(short))
        let collection = try DocumentCollection(path: short.collection)
        #expect(try collection.buildApproximateIndex(.hnsw) { try CPUBackend() })
        check(try await hits(short, .hnsw(width: 64)))
        // A document that goes has its segment written anew.
        try collection.write([], removing: ["299"])
        check(try await hits(short))
    }

    @Test("A collection keeps the format that it was made with")
    func keepsFormat() async throws {
        let scratch = try Scratch()
        try await fill(scratch, .int8)
        #expect(try CollectionReader(path: scratch.collection).settings.vectorFormat == .int8)
        await #expect(
            throws: RetrievalError.settingDiffers(
                path: scratch.collection, name: "vector format", stored: "int8", requested: "f16")
        ) { try await fill(scratch, .float16) }
    }
}

@Suite("Stemmers")
struct StemmerTests {
    @Test("Words are brought to Snowball's stems, and what a question is about is told before that")
    func stems() throws {
        let analyzer = Analyzer(.unicode, stemmer: try Stemmer(language: "english"))
        #expect(analyzer.terms(in: "The KERNELS were cached; caching") == ["the", "kernel", "were", "cach", "cach"])
        let german = Analyzer(.simple, stemmer: try Stemmer(language: "german"))
        #expect(german.terms(in: "Häuser Hauses") == ["haus", "haus"])
        #expect(throws: RetrievalError.self) { try Stemmer(language: "klingon") }
    }

    @Test("A collection is searched by the stems that it was indexed with, and refuses others")
    func collection() async throws {
        let scratch = try Scratch()
        try scratch.write("d.jsonl", #"{"id": "1", "text": "Engines compile kernels"}"#)
        let settings = CollectionSettings(analyzer: Analyzer(.unicode, stemmer: try Stemmer(language: "english")))
        let chunker = try Chunker(tokenCount: 30, overlapTokenCount: 5) { Analyzer.simple.terms(in: $0).count }
        var indexer = Indexer(try DocumentCollection(path: scratch.collection, settings: settings), chunker: chunker)
        _ = try await indexer.index(paths: [], jsonLines: [scratch.path + "/d.jsonl"])
        let searcher = try Searcher(CollectionReader(path: scratch.collection))
        for query in ["compiling", "\"engine compiled\"", "kernel AND compile"] {
            #expect(try await searcher.hits(query, SearchOptions(mode: .lexical)).count == 1, "\(query)")
        }
        #expect(
            throws: RetrievalError.settingDiffers(
                path: scratch.collection, name: "stemmer", stored: "english", requested: "none")
        ) { try DocumentCollection(path: scratch.collection, settings: CollectionSettings()) }
    }
}
