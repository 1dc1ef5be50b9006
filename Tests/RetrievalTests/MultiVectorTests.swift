import CPUBackend
import TestSupport
import Testing

import Retrieval

/// An embedder with a vector for each word, which the word alone decides.
private struct TokenEmbedder: TextEmbedder {
    var name = "tokens"
    var fingerprint = "t1"
    var dimensionCount: Int? = 24
    var maximumTokenCount = 512
    var tokenVectorSize: Int? = 20

    func tokenCount(of text: String) throws -> Int { Analyzer.simple.terms(in: text).count }

    func embed(_ texts: [String], isQuery: Bool) async throws -> [[Float]] {
        try await WordEmbedder().embed(texts, isQuery: isQuery)
    }

    static func vectors(_ text: String) -> [[Float]] {
        Analyzer.simple.terms(in: text).map { word in
            var generator = SplitMix64(seed: UInt64(WordEmbedder.token(word)))
            // Sixteenths are whole in FP16.
            return (0..<20).map { _ in Float(generator.next(below: 33)) / 16 - 1 }
        }
    }

    func encode(_ texts: [String], isQuery: Bool) async throws -> [EncodedText] {
        zip(texts, try await embed(texts, isQuery: isQuery)).map { text, vector in
            EncodedText(
                vector: vector,
                tokenVectors: tokenVectorSize == nil ? [] : Self.vectors(text).flatMap { $0 })
        }
    }
}

@Suite("Late interaction")
struct MultiVectorTests {
    private func similarity(_ query: String, _ text: String) -> Double {
        let others = TokenEmbedder.vectors(text)
        return TokenEmbedder.vectors(query).reduce(0) { sum, vector in
            let products = others.map { zip(vector, $0).reduce(0.0) { $0 + Double($1.0 * $1.1) } }
            return sum + (products.max() ?? 0)
        }
    }

    private func words(_ count: Int, _ generator: inout SplitMix64) -> String {
        (0..<count).map { _ in "w\(generator.next(below: 60))" }.joined(separator: " ")
    }

    @Test("A search gives the sums of the largest products, also after documents have changed; filters hold")
    func exact() async throws {
        let scratch = try Scratch()
        var generator = SplitMix64(seed: 3)
        var texts: [String: String] = [:]
        for _ in 0..<12 {
            for _ in 0..<20 {
                texts["d\(generator.next(below: 90))"] = words(1 + generator.next(below: 40), &generator)
            }
            texts["d\(generator.next(below: 90))"] = nil
            try scratch.write(
                "d.jsonl", texts.sorted { $0.key < $1.key }.map { #"{"id":"\#($0)","text":"\#($1)"}"# + "\n" }.joined())
            try await scratch.index(jsonLines: [scratch.path + "/d.jsonl"], embedder: TokenEmbedder())
        }
        let searcher = try Searcher(
            CollectionReader(path: scratch.collection), embedder: TokenEmbedder(), on: CPUBackend())
        // Longer than what one product takes of a query, too.
        for query in ["w1", "w3 w7 w59", words(150, &generator)] {
            let found = try await searcher.search(query, SearchOptions(mode: .multiVector, count: 200))
            #expect(found.count == texts.count)
            for (chunk, score) in found {
                #expect(abs(score - similarity(query, texts[chunk.key] ?? "")) < 1e-3)
            }
            #expect(zip(found, found.dropFirst()).allSatisfy { $0.score >= $1.score })
            let filtered = try await searcher.search(
                query, SearchOptions(mode: .multiVector, count: 200, filter: DocumentFilter("id ~ \"d1\"")))
            #expect(filtered.map(\.chunk) == found.map(\.chunk).filter { $0.key.contains("d1") })
        }
    }

    @Test("Beside other arms it ranks what they have found")
    func candidates() async throws {
        let scratch = try Scratch()
        var generator = SplitMix64(seed: 8)
        let texts = (0..<200).map { _ in words(12, &generator) }
        try scratch.write(
            "d.jsonl", texts.enumerated().map { #"{"id":"\#($0)","text":"\#($1)"}"# + "\n" }.joined())
        try await scratch.index(jsonLines: [scratch.path + "/d.jsonl"], embedder: TokenEmbedder())
        let searcher = try Searcher(
            CollectionReader(path: scratch.collection), embedder: TokenEmbedder(), on: CPUBackend())
        var options = SearchOptions(mode: .hybrid, count: 10)
        options.candidateCount = 30
        let ranking = try await searcher.ranking("w1 w2 w3", options)
        let ranked = try #require(ranking.arms[.multiVector])
        let others = Set((ranking.lexical ?? []).map(\.chunk) + (ranking.dense ?? []).map(\.chunk))
        #expect(ranked.count == 30 && Set(ranked.map(\.chunk)).isSubset(of: others))
        let all = try await searcher.hits("w1 w2 w3", SearchOptions(mode: .multiVector, count: 200))
        #expect(ranked == Array(all.filter { others.contains($0.chunk) }.prefix(30)))
    }

    @Test("A collection without vectors of tokens says so, and one with others refuses the embedder")
    func missing() async throws {
        let scratch = try Scratch()
        try scratch.write("d.jsonl", #"{"id":"1","text":"a"}"#)
        var plain = TokenEmbedder()
        plain.tokenVectorSize = nil
        try await scratch.index(jsonLines: [scratch.path + "/d.jsonl"], embedder: plain)
        let searcher = try Searcher(CollectionReader(path: scratch.collection), embedder: plain, on: CPUBackend())
        await #expect(throws: RetrievalError.noTokenVectors(path: scratch.collection)) {
            try await searcher.hits("a", SearchOptions(mode: .multiVector))
        }
        #expect(try await searcher.hits("a", SearchOptions(mode: .hybrid)).count == 1)
        await #expect(throws: RetrievalError.self) {
            try await scratch.index(jsonLines: [scratch.path + "/d.jsonl"], embedder: TokenEmbedder())
        }
    }
}
