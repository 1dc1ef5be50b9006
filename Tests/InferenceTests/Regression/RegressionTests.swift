import Foundation
import Inference
import JSONCore
import ModelIO
import TestSupport
import Testing

/// Fits against scikit-learn's (Tools/make_regression_reference.py).
@Suite("Regression heads")
struct RegressionTests {
    private let root: JSONValue
    private let vectors: [[Float]]

    init() throws {
        let file = ReferenceMaterial.fixtures.appendingPathComponent("regression/expected.json")
        root = try JSONDocument(parsing: Array(Data(contentsOf: file)), source: "expected.json").root
        vectors = RegressionTests.rows(root["vectors"]).map { $0.map { Float($0) } }
    }

    private static func numbers(_ value: JSONValue?) -> [Double] { value?.array?.compactMap(\.double) ?? [] }
    private static func rows(_ value: JSONValue?) -> [[Double]] { value?.array?.map { numbers($0) } ?? [] }

    private static func difference(_ found: [[Double]], _ wanted: [[Double]]) -> Double {
        zip(found.joined(), wanted.joined()).reduce(0) { max($0, abs($1.0 - $1.1)) }
    }

    @Test("Logistic regression has scikit-learn's coefficients, for two labels and for four")
    func logistic() throws {
        let cases = root["logistic"]?.array.map(Array.init) ?? []
        #expect(cases.count == 6)
        for reference in cases {
            let answers = RegressionTests.numbers(root[reference["answers"]?.string ?? ""]).map { Int($0) }
            let labels = (0...(answers.max() ?? 0)).map { "label \($0)" }
            let strength = try #require(reference["C"]?.double)
            let head = try LogisticRegression(inverseStrength: strength).fit(vectors, answers, labels: labels)
            let isBinary = labels.count == 2
            let coefficients = isBinary ? [head.weight[1]] : head.weight
            let intercepts = isBinary ? [head.bias[1]] : head.bias
            #expect(head.gradient <= 1e-6 && head.weight.count == labels.count)
            let wanted = RegressionTests.rows(reference["coef"])
            #expect(wanted.count == coefficients.count)
            #expect(RegressionTests.difference(coefficients, wanted) < 1e-4, "C \(strength), \(labels.count) labels")
            #expect(RegressionTests.difference([intercepts], [RegressionTests.numbers(reference["intercept"])]) < 1e-4)
        }
    }

    @Test("Linear regression has scikit-learn's coefficients")
    func linear() throws {
        let answers = RegressionTests.numbers(root["number"])
        for reference in root["linear"]?.array.map(Array.init) ?? [] {
            let alpha = try #require(reference["alpha"]?.double)
            let head = try LinearRegression(alpha: alpha).fit(vectors, answers)
            #expect(RegressionTests.difference(head.weight, [RegressionTests.numbers(reference["coef"])]) < 1e-6)
            #expect(abs(head.bias[0] - (reference["intercept"]?.double ?? .nan)) < 1e-6)
        }
    }

    @Test("What cannot be fit is told")
    func mistakes() throws {
        let logistic = LogisticRegression()
        #expect(throws: InferenceError.self) { try logistic.fit([], [], labels: ["a", "b"]) }
        #expect(throws: InferenceError.self) { try logistic.fit([[1], [2]], [0, 0], labels: ["a"]) }
        #expect(throws: InferenceError.self) { try logistic.fit([[1], [2]], [0, 0], labels: ["a", "b"]) }
        #expect(throws: InferenceError.self) { try logistic.fit([[.nan], [2]], [0, 1], labels: ["a", "b"]) }
        // Two columns that are one leave the weights open.
        #expect(throws: InferenceError.self) {
            try LinearRegression(alpha: 0).fit([[1, 1], [2, 2], [3, 3]], [1, 2, 3])
        }
        let even = try LinearRegression(alpha: 1).fit([[1, 1], [2, 2], [3, 3]], [1, 2, 3])
        #expect(abs(even.weight[0][0] - even.weight[0][1]) < 1e-12)
    }

    @Test("Labels that a line divides are all found; the steps end")
    func separable() throws {
        let vectors: [[Float]] = (0..<40).map { [Float($0) / 10, Float($0 % 7)] }
        let answers = (0..<40).map { $0 < 17 ? 0 : 1 }
        let head = try LogisticRegression(inverseStrength: 1e4).fit(vectors, answers, labels: ["low", "high"])
        for (vector, answer) in zip(vectors, answers) {
            let logits = head.logits(of: vector)
            #expect((logits[1] > logits[0]) == (answer == 1))
        }
        #expect(head.iterationCount < 1000)
    }

    @Test("A saved head classifies as it was fit")
    func saved() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("head-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let words = folder.appendingPathComponent("words.txt").path
        let table = ["good 1 0.5", "great 2 0", "bad -1 0.25", "awful -2 0", "film 0 1"]
        try Data(table.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: words))
        let vectors = try WordVectors(path: words)
        let texts = ["good film", "great", "a bad film", "awful awful"]
        let path = folder.appendingPathComponent("head.safetensors").path
        let head = try LogisticRegression(inverseStrength: 10).fit(
            texts.map(vectors.embed), [1, 1, 0, 0], labels: ["negative", "positive"])
        try head.save(to: path)
        let answers = try Classifier(vectors, head: path).run(texts.map { TextPair($0) })
        #expect(answers.map { $0[0].label } == ["positive", "positive", "negative", "negative"])
        let logits = head.logits(of: vectors.embed("good film"))
        #expect(abs((answers[0][0].score) - 1 / (1 + exp(logits[0] - logits[1]))) < 1e-5)

        try LinearRegression(alpha: 0.1).fit(texts.map(vectors.embed), [4, 5, 2, 1]).save(to: path)
        let numbers = try Classifier(vectors, head: path).run([TextPair("great")])
        #expect(numbers[0].count == 1 && numbers[0][0].label == "score" && numbers[0][0].score > 3.5)
    }
}
