import Glibc
import TestSupport
import Testing

import Retrieval

/// Postings in memory, so that the index is tested without a file.
private struct MemorySource: PostingSource {
    let lists: [String: [Int64: [UInt8]]]

    func postings(of term: String) -> [Int64: [UInt8]] { lists[term] ?? [:] }
}

@Suite("Lexical search")
struct LexicalIndexTests {
    private static let words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"]

    /// Texts in which the first words are frequent and the last rare.
    private func texts(_ count: Int, seed: UInt64) -> [String] {
        var generator = SplitMix64(seed: seed)
        return (0..<count).map { _ in
            (0...generator.next(below: 40)).map { _ in
                let skew = generator.next(below: Self.words.count)
                return Self.words[generator.next(below: skew + 1)]
            }.joined(separator: " ")
        }
    }

    private func makeIndex(_ texts: [String], segmentSize: Int) -> LexicalIndex {
        var segments: [LexicalSegment] = []
        var lists: [String: [Int64: [UInt8]]] = [:]
        for start in stride(from: 0, to: texts.count, by: segmentSize) {
            var builder = SegmentBuilder(analyzer: .simple)
            for index in start..<min(start + segmentSize, texts.count) {
                builder.add(chunk: Int64(index + 1), text: texts[index])
            }
            let id = Int64(segments.count + 1)
            segments.append(LexicalSegment(id: id, chunks: builder.chunks, lengths: builder.lengths))
            for (term, bytes) in builder.encoded() { lists[term, default: [:]][id] = bytes }
        }
        return LexicalIndex(segments: segments, analyzer: .simple, source: MemorySource(lists: lists), name: "test")
    }

    /// The definition, document by document.
    private func expected(_ texts: [String], _ query: [String], _ scoring: LexicalScoring) -> [Hit] {
        let documents = texts.map { Analyzer.simple.terms(in: $0) }
        let containing = Dictionary(
            uniqueKeysWithValues: Set(query).map { term in (term, documents.count { $0.contains(term) }) })
        let average = Double(documents.reduce(0) { $0 + $1.count }) / Double(documents.count)
        return documents.enumerated().compactMap { index, terms -> Hit? in
            var score = 0.0
            for term in query {
                guard let containing = containing[term], containing > 0 else { continue }
                let frequency = Double(terms.count { $0 == term })
                let (count, total) = (Double(containing), Double(documents.count))
                switch scoring {
                case .bm25(let k1, let b):
                    let length = Double(terms.count)
                    score +=
                        log(1 + (total - count + 0.5) / (count + 0.5)) * frequency
                        / (frequency + k1 * (1 - b + b * length / average))
                case .tfIDF: score += frequency * log(total / count)
                }
            }
            return score > 0 ? Hit(chunk: Int64(index + 1), score: score) : nil
        }.sorted(by: Hit.precedes)
    }

    @Test(
        "Skipping blocks finds what scoring every document finds",
        arguments: [40, 500, 2000], [LexicalScoring.bm25(), .bm25(k1: 0.4, b: 0), .bm25(k1: 3, b: 1), .tfIDF])
    func agreesWithDefinition(segmentSize: Int, scoring: LexicalScoring) throws {
        let texts = texts(1500, seed: 3)
        let index = makeIndex(texts, segmentSize: segmentSize)
        for query in [["kappa"], ["alpha", "kappa"], ["iota", "beta", "iota", "missing"], Self.words] {
            let all = expected(texts, query, scoring)
            for count in [1, 10, 2000] {
                let hits = try index.search(terms: query, scoring: scoring, count: count)
                #expect(hits.count == min(count, all.count))
                for (hit, wanted) in zip(hits, all) { #expect(abs(hit.score - wanted.score) < 1e-9) }
            }
        }
    }

    @Test("Only allowed chunks are found, with the scores they have among all")
    func filtered() throws {
        let texts = texts(700, seed: 8)
        let index = makeIndex(texts, segmentSize: 256)
        let allowed = Set(stride(from: Int64(5), to: 700, by: 7))
        let wanted = expected(texts, ["theta", "gamma"], .bm25()).filter { allowed.contains($0.chunk) }
        let hits = try index.search(terms: ["theta", "gamma"], scoring: .bm25(), count: 20, allowed: allowed)
        #expect(hits.map(\.chunk) == wanted.prefix(20).map(\.chunk))
    }

    @Test("Conditions and phrases")
    func conditions() throws {
        let index = makeIndex(
            ["red green blue", "green red", "blue red green red", "yellow"], segmentSize: 3)
        func matches(_ query: String) throws -> Set<Int64> {
            try ConditionMatcher(index: index).matches(LexicalQuery(query, analyzer: .simple))
        }
        #expect(try matches("\"red green\"") == [1, 3])
        #expect(try matches("\"green red\"") == [2, 3])
        #expect(try matches("red AND NOT blue") == [2])
        #expect(try matches("yellow OR (blue AND \"green red\")") == [3, 4])
        #expect(try matches("NOT red") == [4])
        #expect(throws: RetrievalError.self) { try matches("(red AND blue") }
        #expect(throws: RetrievalError.self) { try matches("red AND") }
        #expect(throws: RetrievalError.self) { try matches(String(repeating: "NOT ", count: 1000) + "a") }
        // Without conditions punctuation is nothing special.
        guard case .words(let terms) = try LexicalQuery("red (green", analyzer: .simple) else {
            Issue.record("plain text was read as conditions")
            return
        }
        #expect(terms == ["red", "green"])
    }
}
