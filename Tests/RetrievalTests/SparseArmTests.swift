import CPUBackend
import TestSupport
import Testing

import Retrieval

@Suite("Learned sparse weights")
struct SparseArmTests {
    @Test(
        "A sparse search gives the products of the weights, also after documents have changed and segments were joined")
    func products() async throws {
        let scratch = try Scratch()
        var generator = SplitMix64(seed: 5)
        var texts: [String: String] = [:]
        for round in 0..<12 {
            for _ in 0..<25 {
                texts["d\(generator.next(below: 150))"] = (0..<(1 + generator.next(below: 12))).map { _ in
                    "w\(generator.next(below: 40))"
                }.joined(separator: " ")
            }
            if round > 4 { texts["d\(generator.next(below: 150))"] = nil }
            try scratch.write(
                "d.jsonl", texts.sorted { $0.key < $1.key }.map { #"{"id":"\#($0)","text":"\#($1)"}"# + "\n" }.joined())
            try await scratch.index(jsonLines: [scratch.path + "/d.jsonl"], embedder: WordEmbedder(), sparse: true)
        }
        let searcher = try Searcher(
            CollectionReader(path: scratch.collection), embedder: WordEmbedder(), on: CPUBackend())
        for query in ["w1 w2 w3", "w4", "w5 w5 w39", "none"] {
            let found = try await searcher.search(query, SearchOptions(mode: .sparse, count: 200))
            let wanted = WordEmbedder.weights(query)
            let expected = texts.mapValues { text in
                WordEmbedder.weights(text).reduce(0.0) { $0 + $1.value * (wanted[$1.key] ?? 0) }
            }.filter { $0.value > 0 }
            #expect(Dictionary(uniqueKeysWithValues: found.map { ($0.chunk.key, $0.score) }) == expected)
            #expect(zip(found, found.dropFirst()).allSatisfy { $0.score >= $1.score })
        }
        // Words of the texts are found as before, and no learned weight is a word.
        let words = try await searcher.search("w1", SearchOptions(mode: .lexical, count: 200))
        #expect(Set(words.map(\.chunk.key)) == Set(texts.filter { $0.value.split(separator: " ").contains("w1") }.keys))
        #expect(try await searcher.search("\u{1}\(WordEmbedder.token("w1"))", SearchOptions(mode: .lexical)).isEmpty)
        let ranking = try await searcher.ranking("w1 w2", SearchOptions(mode: .hybrid))
        #expect(ranking.lexical != nil && ranking.dense != nil && ranking.sparse != nil)
    }

    @Test("A collection without weights says so")
    func missing() async throws {
        let scratch = try Scratch()
        try scratch.write("d.jsonl", #"{"id":"1","text":"a"}"#)
        try await scratch.index(jsonLines: [scratch.path + "/d.jsonl"], embedder: WordEmbedder())
        let searcher = try Searcher(
            CollectionReader(path: scratch.collection), embedder: WordEmbedder(), on: CPUBackend())
        await #expect(throws: RetrievalError.noTermWeights(path: scratch.collection)) {
            try await searcher.search("a", SearchOptions(mode: .sparse))
        }
        #expect(try await searcher.search("a", SearchOptions(mode: .hybrid)).count == 1)
        await #expect(throws: RetrievalError.self) {
            try await scratch.index(jsonLines: [scratch.path + "/d.jsonl"], embedder: WordEmbedder(), sparse: true)
        }
    }
}
