import Foundation
import Inference
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
        let windows = try Judgements(parsing: "1 0 d1 2\r\n1 0 d2 1\r\n", path: "q")
        #expect(windows.relevance == ["1": ["d1": 2, "d2": 1]])
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
        let few = Resampling.interval([0, 1, 0, 1, 1, 0])
        #expect(few.contains(0.5))
        let many = Resampling.interval((0..<600).map { Double($0 % 2) })
        #expect(many.upperBound - many.lowerBound < few.upperBound - few.lowerBound)
        #expect(Resampling.pairedProbability([1, 1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 0, 0]) < 0.02)
        #expect(Resampling.pairedProbability([1, 0, 1, 0], [0, 1, 0, 1]) > 0.9)
    }

    @Test("A run file is read as it was written, and what is none refused by line")
    func runFiles() throws {
        let ranked = RankedDocuments(query: "1", documents: [("a", 1), ("c", 1), ("b", 2.5)])
        let other = RankedDocuments(query: "2", documents: [("a", -1)])
        let text = ranked.runLines(tag: "t") + other.runLines(tag: "t")
        for text in [text, text.replacing("\n", with: "\r\n")] {
            let read = try RunFile.parse(text, path: "r")
            #expect(read.map(\.query) == ["1", "2"])
            #expect(read[0].ranking == ["b", "c", "a"] && read[1].ranking == ["a"])
        }
        for wrong in ["", "1 Q0 a 1 2", "1 Q0 a 1 x t", "1 Q0 a 1 nan t", "1 Q0 a 1 2 t\n1 Q0 a 2 1 t"] {
            #expect(throws: RetrievalError.self) { try RunFile.parse(wrong, path: "r") }
        }
        // Equal in single precision, as TREC's programs keep scores.
        let close = RankedDocuments(query: "1", documents: [("a", 1 + 1e-12), ("b", 1)])
        #expect(close.ranking == ["b", "a"])
    }

    @Test("A run is compared query by query, and what the other has not ranked counts as nothing found")
    func comparison() throws {
        let judgements = try Judgements(
            parsing: (0..<12).map { "q\($0) 0 d 1\n" }.joined(), path: "q")
        let queries = (0..<12).map { index in
            (id: "q\(index)", metrics: RetrievalMetrics(ranking: ["d"], relevance: ["d": 1], k: 5))
        }
        let result = RetrievalEvaluation.Result(
            k: 5, mean: .mean(queries.map(\.metrics)), queries: queries, rankings: [], seconds: [])
        let same = (0..<12).map { RankedDocuments(query: "q\($0)", documents: [("d", 1)]) }
        let equal = RunComparison(result, same, judgements)
        #expect(equal.rows.allSatisfy { $0.difference == 0 && $0.probability == 1 })
        let worse = RunComparison(result, Array(same.prefix(2)), judgements)
        let row = try #require(worse.rows.first { $0.measure == "ndcg" })
        #expect(abs(row.difference - 10.0 / 12) < 1e-12 && row.probability < 0.01 && row.interval.lowerBound > 0.5)
    }

    @Test("A sweep is every combination, and its picture has a mark for each")
    func sweep() throws {
        let base = SweepPoint(options: SearchOptions(mode: .lexical), k: 10)
        let axes = try [SweepAxis("mode=lexical,hybrid+rerank"), SweepAxis("chunk-tokens=64,128"), SweepAxis("b=0.1")]
        let points = try SweepPoint.all(axes, from: base)
        #expect(points.map(\.chunkTokenCount) == [64, 64, 128, 128])
        #expect(points.map(\.options.mode) == [.lexical, .hybrid, .lexical, .hybrid])
        #expect(points.map(\.options.reranks) == [false, true, false, true])
        #expect(points.allSatisfy { $0.options.scoring == .bm25(k1: 1.2, b: 0.1) })
        let fused = try SweepPoint.all([SweepAxis("fusion=distribution,rrf")], from: base)
        #expect(fused.map(\.options.fusion) == [.distribution, .reciprocalRank()])
        let metrics = RetrievalMetrics(ranking: ["x", "d"], relevance: ["d": 1], k: 5)
        let results = points.enumerated().map { index, point in
            SweepResult(
                point: point,
                evaluation: RetrievalEvaluation.Result(
                    k: 5, mean: metrics, queries: [("q", metrics)], rankings: [], seconds: [pow(10, Double(index) - 5)])
            )
        }
        let svg = SweepPicture(results).svg(title: "a < b & c")
        #expect(svg.ranges(of: "<circle").count == 2 * points.count)
        #expect(svg.contains("a &lt; b &amp; c") && svg.contains(">1000<") == false && svg.contains(">10<"))
        for wrong in ["", "k", "k=", "z=1", "k=0", "k=1,1", "mode=fast", "b=2", "vectors=lsh", "fusion=sum"] {
            #expect(throws: RetrievalError.self) { try SweepAxis(wrong) }
        }
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
