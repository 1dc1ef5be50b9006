import Testing

import Retrieval

@Suite("Measures of rankings")
struct MetricsTests {
    /// Values of trec_eval's definitions, worked out by hand.
    @Test func definitions() {
        let metrics = RetrievalMetrics(
            ranking: ["x", "a", "y", "b", "c"], relevance: ["a": 1, "b": 3, "c": 2, "d": 1, "x": 0, "z": -1], k: 4)
        #expect(metrics.hitRate == 1)
        #expect(metrics.recall == 0.5)
        #expect(metrics.reciprocalRank == 0.5)
        #expect(abs(metrics.averagePrecision - (0.5 + 0.5) / 4) < 1e-12)
        let gain = 1 / 1.584962500721156 + 3 / 2.321928094887362
        let ideal = 3 + 2 / 1.584962500721156 + 1 / 2.0 + 1 / 2.321928094887362
        #expect(abs(metrics.ndcg - gain / ideal) < 1e-12)
    }

    @Test func nothingRelevantOrFound() {
        #expect(RetrievalMetrics(ranking: ["a"], relevance: ["a": 0], k: 10) == RetrievalMetrics())
        #expect(RetrievalMetrics(ranking: [], relevance: ["a": 1], k: 10) == RetrievalMetrics())
    }

    @Test("Equal scores rank by descending identifier, as TREC's programs do")
    func ties() {
        let ranked = RankedDocuments(query: "1", documents: [("a", 1), ("c", 1), ("b", 2)])
        #expect(ranked.ranking == ["b", "c", "a"])
        #expect(ranked.runLines(tag: "t") == "1 Q0 b 1 2.0 t\n1 Q0 c 2 1.0 t\n1 Q0 a 3 1.0 t\n")
    }

    @Test func judgements() throws {
        let trec = try Judgements(parsing: "1 0 d1 2\n1\t0\td2\t0\n\n2 0 d1 1\n", path: "q")
        #expect(trec.relevance == ["1": ["d1": 2, "d2": 0], "2": ["d1": 1]])
        let beir = try Judgements(parsing: "query-id\tcorpus-id\tscore\n1\td1\t1\n", path: "q")
        #expect(beir.relevance == ["1": ["d1": 1]])
        #expect(throws: RetrievalError.invalidLine(path: "q", line: 2, reason: "the relevance 'x' is no integer")) {
            try Judgements(parsing: "1 0 d 1\n1 0 d x\n", path: "q")
        }
        #expect(throws: RetrievalError.self) { try Judgements(parsing: "a b\n", path: "q") }
        #expect(throws: RetrievalError.self) { try Judgements(parsing: "", path: "q") }
    }

    @Test("Intervals hold the mean and narrow with more values")
    func bootstrap() {
        let few = Bootstrap.interval([0, 1, 0, 1, 1, 0])
        #expect(few.contains(0.5))
        let many = Bootstrap.interval((0..<600).map { Double($0 % 2) })
        #expect(many.upperBound - many.lowerBound < few.upperBound - few.lowerBound)
        #expect(Bootstrap.pairedProbability([1, 1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 0, 0]) < 0.02)
        #expect(Bootstrap.pairedProbability([1, 0, 1, 0], [0, 1, 0, 1]) > 0.9)
    }

    @Test("Fusion by rank and by distribution")
    func fusion() {
        let lexical = [Hit(chunk: 1, score: 9), Hit(chunk: 2, score: 5)]
        let dense = [Hit(chunk: 2, score: 0.9), Hit(chunk: 3, score: 0.8)]
        let ranked = Fusion.reciprocalRank().fuse([(lexical, 1), (dense, 1)], count: 3)
        #expect(ranked.map(\.chunk) == [2, 1, 3])
        #expect(abs(ranked[0].score - (1 / 62.0 + 1 / 61.0)) < 1e-12)
        #expect(Fusion.distribution.fuse([(lexical, 1), (dense, 1)], count: 1).map(\.chunk) == [2])
    }

    @Test("Variety leaves out what has been said")
    func marginalRelevance() {
        let hits = [Hit(chunk: 1, score: 3), Hit(chunk: 2, score: 2.9), Hit(chunk: 3, score: 1)]
        let vectors: [[Float]] = [[1, 0], [1, 0], [0, 1]]
        #expect(MaximalMarginalRelevance.select(hits, vectors: vectors, lambda: 0.5, count: 2).map(\.chunk) == [1, 3])
        #expect(MaximalMarginalRelevance.select(hits, vectors: vectors, lambda: 1, count: 2).map(\.chunk) == [1, 2])
    }
}
