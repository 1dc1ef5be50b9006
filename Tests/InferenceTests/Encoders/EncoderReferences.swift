import Foundation
import Inference
import ModelIO
import Models
import TensorCore
import TestSupport
import Testing

/// An encoder with what its head answers.
struct EncoderReference: Sendable, CustomTestStringConvertible {
    let name: String
    let folder: URL
    /// The class to take the weights as, where the folder's configuration names none: the fixtures hold every head.
    var kind: String?

    /// Whether GGUF files can hold the family.
    var hasGGUF: Bool {
        let without = ["modernbert", "nomic", "deberta", "electra", "albert", "mpnet", "camembert"]
        return !without.contains { name.hasPrefix($0) }
    }

    var testDescription: String { kind.map { "\(name) \($0)" } ?? name }

    private static let usualHeads = [
        "Model", "MaskedLM", "SequenceClassification", "TokenClassification", "QuestionAnswering",
    ]

    /// The fixtures, once for each of their heads (made by Tools/make_encoder_reference.py,
    /// Tools/make_rotary_encoder_reference.py and Tools/make_deberta_reference.py).
    static let fixtures: [EncoderReference] = [
        ("bert", usualHeads + ["NextSentencePrediction"]),
        ("roberta", usualHeads.filter { $0 != "TokenClassification" }),
        ("distilbert", usualHeads),
        ("modernbert", usualHeads),
        ("deberta-v3", usualHeads),
        ("deberta-v3-wide", usualHeads),
        ("electra", usualHeads),
        ("albert", usualHeads),
        ("mpnet", usualHeads),
        ("camembert", usualHeads),
        ("deberta-v2", usualHeads),
        ("nomic-bert", usualHeads.filter { $0 != "QuestionAnswering" }),
        ("nomic-bert-hub", usualHeads.filter { $0 != "QuestionAnswering" }),
    ].flatMap { family, heads in
        heads.map { head in
            EncoderReference(
                name: "\(family)-heads",
                folder: ReferenceMaterial.fixtures.appendingPathComponent("models/\(family)-heads"),
                kind: head == "Model" ? head : "For\(head)")
        }
    }

    /// Those, and the ones of `transformers`.
    static let all: [EncoderReference] = {
        guard let folder = ReferenceMaterial.locate("reference/models", for: "EncoderTests") else { return fixtures }
        let names = [
            "bert", "bert-mlm", "bert-nsp", "bert-qa", "bert-tokens", "bert-classify", "xlm-roberta",
            "xlm-roberta-rerank",
        ]
        return fixtures
            + names.map { EncoderReference(name: $0, folder: folder.appendingPathComponent($0)) }
    }()

    func package() throws -> ModelPackage {
        guard let kind else { return try ModelPackage(path: folder.path) }
        let copy = try folderCopy(kind)
        defer { try? FileManager.default.removeItem(at: copy) }
        return try ModelPackage(path: copy.path)
    }

    /// A copy of the folder whose configuration names a class.
    func folderCopy(_ kind: String) throws -> URL {
        let copy = FileManager.default.temporaryDirectory.appendingPathComponent("infer-encoder-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: copy, withIntermediateDirectories: true)
        try FileManager.default.copyItem(
            at: folder.appendingPathComponent("model.safetensors"),
            to: copy.appendingPathComponent("model.safetensors"))
        let file = folder.appendingPathComponent("config.json")
        var settings = try #require(
            try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
        settings["architectures"] = ["Encoder\(kind)"]
        try JSONSerialization.data(withJSONObject: settings).write(to: copy.appendingPathComponent("config.json"))
        return copy
    }

    func expected() throws -> Checkpoint {
        try Checkpoint(safetensors: folder.appendingPathComponent("expected.safetensors").path)
    }

    func inputs() throws -> [EncoderInput] {
        let expected = try expected()
        let segments = expected["token_type_ids"] == nil ? nil : try expected.rows("token_type_ids")
        return try zip(expected.rows("input_ids"), expected.rows("attention_mask")).enumerated().map { row, texts in
            EncoderInput(tokens: texts.0, mask: texts.1.map { $0 != 0 }, segments: segments?[row])
        }
    }

    /// The largest NMSE of any answer that the reference has too, where the mask is not zero.
    func error(_ results: [EncoderResult]) throws -> Double {
        let expected = try expected()
        let inputs = try inputs()
        var worst = 0.0
        var compared = 0
        for result in results {
            let name = kind.map { "\($0).\(result.name)" } ?? result.name
            guard expected[name] != nil else { continue }
            let all = try expected.doubles(name)
            var found: [Float] = []
            var wanted: [Double] = []
            let rowCount = result.rows == .tokens ? inputs[0].tokens.count : 1
            for (index, input) in inputs.enumerated() {
                for row in 0..<rowCount where result.rows == .sequences || input.mask?[row] ?? true {
                    found += result.values[index][row * result.width..<(row + 1) * result.width]
                    let start = (index * rowCount + row) * result.width
                    wanted += all[start..<start + result.width]
                }
            }
            worst = max(worst, normalizedMeanSquaredError(found, wanted))
            compared += 1
        }
        #expect(compared > 0, "\(self): nothing of \(results.map(\.name)) is in the reference")
        return worst
    }
}
