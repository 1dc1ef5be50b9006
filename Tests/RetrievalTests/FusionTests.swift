import CPUBackend
import TestSupport
import Testing

import Retrieval

@Suite("Fusion and routing")
struct FusionTests {
    /// Queries whose relevant document the dense arm ranks first and the lexical one only by chance.
    private func examples(_ count: Int, good: SearchArm, bad: SearchArm) -> [FusionTrainer.Example] {
        var generator = SplitMix64(seed: 4)
        return (0..<count).map { query in
            let relevant = Int64(generator.next(below: 20))
            func hits(_ best: Int64?) -> [Hit] {
                (0..<20).map { chunk in
                    let noise = Double(generator.next(below: 1000)) / 1000
                    return Hit(chunk: Int64(chunk), score: Int64(chunk) == best ? 0.8 + noise : noise)
                }.sorted { $0.score > $1.score }
            }
            return FusionTrainer.Example(
                arms: [good: hits(relevant), bad: hits(nil)],
                documents: Dictionary(uniqueKeysWithValues: (0..<20).map { (Int64($0), "d\($0 / 2)") }),
                relevance: ["d\(relevant / 2)": 1, "q\(query)": 0])
        }
    }

    private func ndcg(_ examples: [FusionTrainer.Example], _ fusion: Fusion) -> Double {
        let values = examples.map { example -> Double in
            var scores: [String: Double] = [:]
            for hit in fusion.fuse(example.arms, count: 100) {
                let document = example.documents[hit.chunk] ?? ""
                scores[document] = max(scores[document] ?? -1, hit.score)
            }
            let ranking = RankedDocuments(query: "", documents: scores.map { ($0.key, $0.value) }).ranking
            return RetrievalMetrics(ranking: ranking, relevance: example.relevance, k: 5).ndcg
        }
        return values.reduce(0, +) / Double(values.count)
    }

    @Test("A learned fusion trusts the arm that knows, and its nDCG is what a search has with its weights")
    func learned() throws {
        for (good, bad) in [(SearchArm.dense, SearchArm.lexical), (.lexical, .graph)] {
            let examples = examples(60, good: good, bad: bad)
            let weights = try FusionTrainer.fit(examples, k: 5)
            #expect((weights.weights[good] ?? 0) > 0.6)
            #expect(abs(weights.weights.values.reduce(0, +) - 1) < 1e-9)
            #expect(abs(ndcg(examples, .learned(weights)) - weights.ndcg) < 1e-9)
            #expect(weights.ndcg >= ndcg(examples, .learned(FusionWeights(weights: [good: 0.5, bad: 0.5]))))
            #expect(weights.ndcg >= ndcg(examples, .learned(FusionWeights(weights: [good: 1]))) - 1e-9)
            let validated = try #require(weights.crossValidatedNDCG)
            #expect(validated <= weights.ndcg + 1e-9 && validated > 0.5)
            #expect(try FusionWeights(parsing: weights.json, path: "w.json") == weights)
            #expect(try FusionTrainer.fit(examples, k: 5) == weights)
        }
        #expect(try FusionTrainer.fit(examples(6, good: .dense, bad: .lexical), k: 5).crossValidatedNDCG == nil)
        var alone = examples(3, good: .dense, bad: .lexical)
        for index in alone.indices { alone[index].arms[.lexical] = nil }
        #expect(throws: RetrievalError.self) { try FusionTrainer.fit(alone, k: 5) }
    }

    @Test("Files that hold no weights are told in one line")
    func badFiles() throws {
        for text in [
            "", "[]", "{}", #"{"weights":{}}"#, #"{"weights":{"dense":0}}"#, #"{"weights":{"dense":-1}}"#,
            #"{"weights":{"dense":"1"}}"#, #"{"weights":{"bm42":1}}"#, #"{"weights":{"dense":1e999}}"#,
        ] {
            let error = #expect(throws: RetrievalError.self) { try FusionWeights(parsing: text, path: "w.json") }
            #expect(error.map { "\($0)".contains("w.json") && !"\($0)".contains("\n") } == true)
        }
        #expect(try FusionWeights(parsing: #"{"weights":{"dense":2,"graph":0}}"#, path: "").weights[.dense] == 2)
    }

    @Test("A learned weight of 0 and an arm without hits change nothing")
    func zeros() {
        let hits = [Hit(chunk: 4, score: 3), Hit(chunk: 2, score: 1), Hit(chunk: 9, score: 2)]
        let weights = FusionWeights(weights: [.lexical: 1, .dense: 0])
        let fused = Fusion.learned(weights).fuse(
            [.lexical: hits, .dense: [Hit(chunk: 2, score: 7)], .graph: []], count: 3)
        #expect(fused == [Hit(chunk: 4, score: 1), Hit(chunk: 9, score: 0.5), Hit(chunk: 2, score: 0)])
    }

    @Test("--mode auto takes words as they are spelled, vectors where no word is known, and else everything")
    func routes() async throws {
        let scratch = try Scratch()
        try scratch.write(
            "d.jsonl",
            (0..<9).map { #"{"id":"\#($0)","text":"heron wades water cpuk_reserve w\#($0)"}"# + "\n" }.joined())
        try await scratch.index(jsonLines: [scratch.path + "/d.jsonl"], embedder: WordEmbedder())
        let searcher = try Searcher(
            CollectionReader(path: scratch.collection), embedder: WordEmbedder(), on: CPUBackend())
        func arms(_ query: String) async throws -> Set<SearchArm> {
            Set(try await searcher.ranking(query, SearchOptions(mode: .auto)).arms.keys)
        }
        #expect(try await arms("where does the heron wade") == [.lexical, .dense])
        #expect(try await arms("\"heron wades\"") == [.lexical])
        #expect(try await arms("heron AND NOT pike") == [.lexical])
        #expect(try await arms("cpuk_reserve w3") == [.lexical])
        #expect(try await arms("CPU") == [.lexical])
        #expect(try await arms("PagedAttention") == [.lexical])
        #expect(try await arms("Heron in 1970") == [.lexical, .dense])
        #expect(try await arms("an egret") == [.dense])
        let words = try Scratch()
        try words.write("d.jsonl", #"{"id":"1","text":"heron"}"#)
        try await words.index(jsonLines: [words.path + "/d.jsonl"])
        let plain = try Searcher(CollectionReader(path: words.collection))
        #expect(try await plain.ranking("a pike", SearchOptions(mode: .auto)).arms.keys.map(\.rawValue) == ["lexical"])
    }
}
