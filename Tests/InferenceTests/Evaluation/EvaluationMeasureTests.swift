import Foundation
import Inference
import JSONCore
import Testing

/// Measures against scikit-learn, seqeval, scipy, SQuAD's script and sacrebleu: `Tools/make_evaluation_cases.py`.
@Suite("EvaluationMeasures")
struct EvaluationMeasureTests {
    private static func cases(_ kind: String) throws -> [JSONValue] {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Fixtures/evaluation/cases.json")
        let document = try JSONDocument(
            parsing: Array(Data(contentsOf: file)), source: "cases",
            options: JSONReadingOptions(allowsNonFiniteNumbers: true))
        return Array(try document.root.requireArray(kind))
    }

    private func expect(
        _ measures: [Measure], equal expected: JSONValue, sourceLocation: SourceLocation = #_sourceLocation
    )
        throws
    {
        let object = try expected.requireObject()
        #expect(object.count == measures.count, sourceLocation: sourceLocation)
        for (name, value) in object {
            let wanted = try value.requireDouble()
            let found = try #require(measures.first { $0.name == name }, "\(name)", sourceLocation: sourceLocation)
            #expect(
                abs(found.value - wanted) < 1e-9, "\(name): \(found.value), not \(wanted)",
                sourceLocation: sourceLocation)
        }
    }

    private func integers(_ value: JSONValue, _ key: String) throws -> [Int] {
        try value.requireArray(key).map { try $0.requireInt() }
    }

    private func texts(_ value: JSONValue) throws -> [String] {
        try value.requireArray().map { try $0.requireString() }
    }

    @Test func classificationIsScikitLearns() throws {
        for example in try Self.cases("classification") {
            let labels = (0..<(try example.requireInt("labels"))).map { "\($0)" }
            let pairs = zip(try integers(example, "truth"), try integers(example, "answer")).map {
                (truth: $0.0, answer: $0.1)
            }
            let matrix = ConfusionMatrix(labels: labels, answers: pairs)
            try expect(matrix.measures, equal: example.require("measures"))
            let expected = try example.requireArray("matrix").map { try $0.requireArray().map { try $0.requireInt() } }
            #expect(matrix.counts == expected)
        }
    }

    @Test func severalLabelsAreScikitLearns() throws {
        for example in try Self.cases("multi_label") {
            func flags(_ key: String) throws -> [[Bool]] {
                try example.requireArray(key).map { try $0.requireArray().map { try $0.requireInt() == 1 } }
            }
            let measures = MultiLabel.measures(
                labels: ["a", "b", "c", "d"], truths: try flags("truth"), answers: try flags("answer"))
            try expect(measures, equal: example.require("measures"))
        }
    }

    @Test func entitiesAreSeqevals() throws {
        for example in try Self.cases("entities") {
            let (truths, answers) = (
                try example.requireArray("truth").map(texts), try example.requireArray("answer").map(texts)
            )
            try expect(EntityMetrics.measures(truths: truths, answers: answers), equal: example.require("measures"))
        }
    }

    @Test func answersAreSQuADs() throws {
        for example in try Self.cases("answers") {
            let answer = try example.requireString("answer")
            let score = AnswerMetrics.score(answer, wanted: try texts(example.require("golds")))
            #expect(score.exact == (try example.requireInt("exact") == 1), "\(answer)")
            #expect(abs(score.f1 - (try example.requireDouble("f1"))) < 1e-12, "\(answer)")
        }
    }

    @Test func correlationsAreScipys() throws {
        for example in try Self.cases("correlations") {
            let first = try example.requireArray("first").map { try $0.requireDouble() }
            let second = try example.requireArray("second").map { try $0.requireDouble() }
            #expect(abs(Correlation.pearson(first, second) - (try example.requireDouble("pearson"))) < 1e-12)
            #expect(abs(Correlation.spearman(first, second) - (try example.requireDouble("spearman"))) < 1e-12)
        }
        #expect(Correlation.pearson([1, 1], [1, 2]).isNaN)
    }

    @Test func translationsAreSacrebleus() throws {
        for example in try Self.cases("translations") {
            let own = try texts(example.require("texts"))
            let references = try example.requireArray("references").map(texts)
            func bleu(_ tokenization: BLEU.Tokenization) -> Double {
                zip(own, references).reduce(into: BLEU.Counts()) { sum, pair in
                    sum += BLEU(tokenization).counts(pair.0, references: pair.1)
                }.score
            }
            func chrF(_ chrF: ChrF) -> Double {
                zip(own, references).reduce(into: chrF.noCounts) { sum, pair in
                    sum += chrF.counts(pair.0, references: pair.1)
                }.score
            }
            let measures = [
                Measure("bleu", bleu(.wmt13a)), Measure("bleu_char", bleu(.characters)),
                Measure("bleu_none", bleu(.none)), Measure("chrf", chrF(ChrF())),
                Measure("chrf++", chrF(ChrF(wordOrder: 2))),
            ]
            try expect(measures, equal: example.require("measures"))
        }
    }

    @Test func rankingsAreTRECs() {
        // By hand: relevant are ranks 2 and 4 of 5, and a third document is missing from the first four.
        let values = RankingMetrics.values(
            scores: [0.9, 0.8, 0.7, 0.6, 0.1], relevance: [0, 1, 0, 2, 1], k: 4)
        let ideal = 2 + 1 / log2(3.0) + 1 / 2.0
        let expected = [1, 2.0 / 3, 0.5, (0.5 + 0.5) / 3, (1 / log2(3.0) + 2 / log2(5.0)) / ideal]
        for (value, wanted) in zip(values, expected) { #expect(abs(value - wanted) < 1e-12) }
        #expect(RankingMetrics.values(scores: [1], relevance: [0], k: 3) == [0, 0, 0, 0, 0])
    }

    @Test func intervalsHoldTheMeanAndNarrowWithMoreExamples() {
        func width(_ count: Int) -> Double {
            let values = (0..<count).map { Double($0 % 10) }
            let measure = Resampling.measures(count: count) { sample in
                [Measure("mean", sample.reduce(0) { $0 + values[$1] } / Double(sample.count))]
            }[0]
            guard let interval = measure.interval else { return .infinity }
            #expect(interval.contains(measure.value))
            return interval.upperBound - interval.lowerBound
        }
        // The mean's own error is 2.87 / √n, of which 95 % are 3.92 times as wide.
        #expect(abs(width(40) - 3.92 * 2.872 / 40.0.squareRoot()) < 0.3)
        #expect(width(1000) < width(40) / 3)
        #expect(Resampling.measures(count: 5, rounds: 0) { _ in [Measure("a", 1)] }[0].interval == nil)
    }
}
