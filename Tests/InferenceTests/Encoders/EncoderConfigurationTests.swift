import Foundation
import Inference
import ModelIO
import Models
import TestSupport
import Testing

/// Configurations of encoders that are incomplete, hostile, or of a variant that is not here.
@Suite("Configurations of encoders")
struct EncoderConfigurationTests {
    private func describe(_ family: String, _ edit: (inout [String: Any]) -> Void) throws -> EncoderDescription {
        let file = ReferenceMaterial.fixtures.appendingPathComponent("models/\(family)-heads/config.json")
        let object = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
        var settings = try #require(object as? [String: Any])
        edit(&settings)
        let bytes = try JSONSerialization.data(withJSONObject: settings)
        return try ModelRegistry.encoderPlan(ModelConfiguration(parsing: [UInt8](bytes), path: "config.json"))
            .description
    }

    @Test(
        "broken values are named",
        arguments: [
            ("bert", "hidden_size", "null"), ("bert", "hidden_size", "0"), ("bert", "hidden_size", "42"),
            ("bert", "num_attention_heads", "\"four\""), ("bert", "num_attention_heads", "7"),
            ("bert", "num_hidden_layers", "1e9"), ("bert", "intermediate_size", "-1"), ("bert", "vocab_size", "null"),
            ("bert", "max_position_embeddings", "0"), ("bert", "type_vocab_size", "-2"),
            ("bert", "layer_norm_eps", "0"), ("bert", "hidden_act", "\"tangent\""), ("bert", "is_decoder", "true"),
            ("bert", "position_embedding_type", "\"relative_key\""), ("bert", "add_cross_attention", "true"),
            ("roberta", "pad_token_id", "-3"), ("roberta", "max_position_embeddings", "2"),
            ("distilbert", "dim", "null"), ("distilbert", "n_heads", "3"), ("distilbert", "activation", "null"),
        ])
    func broken(family: String, key: String, value: String) throws {
        let json = try JSONSerialization.jsonObject(with: Data(value.utf8), options: .fragmentsAllowed)
        let error = #expect(throws: LoadError.self) { try describe(family) { $0[key] = json } }
        let line = error?.description ?? ""
        #expect(line.contains(key) && line.contains("config.json") && !line.contains("\n"), "\(line)")
    }

    @Test("the class names the task, and a class that is not here is refused")
    func tasks() throws {
        let tasks: [(String, EncoderTask)] = [
            ("BertModel", .hiddenStates), ("RobertaForMaskedLM", .maskedLanguageModel),
            ("BertForNextSentencePrediction", .nextSentence),
            ("XLMRobertaForSequenceClassification", .sequenceClassification),
            ("BertForTokenClassification", .tokenClassification), ("BertForQuestionAnswering", .questionAnswering),
        ]
        for (name, task) in tasks { #expect(try describe("bert") { $0["architectures"] = [name] }.task == task) }
        let error = #expect(throws: LoadError.self) {
            try describe("bert") { $0["architectures"] = ["BertForMultipleChoice"] }
        }
        #expect(error?.description.contains("BertForMultipleChoice") == true)
    }

    @Test("labels are numbered without a gap")
    func labels() throws {
        func labels(_ value: Any?) throws -> [String] {
            try describe("bert") {
                $0["architectures"] = ["BertForSequenceClassification"]
                $0["id2label"] = value
            }.labels
        }
        #expect(try labels(["0": "a", "1": "b", "2": "c"]) == ["a", "b", "c"])
        #expect(try labels(nil) == ["LABEL_0", "LABEL_1"])
        for broken: Any in [["0": "a", "2": "c"], [String: String](), ["0": 7], "names"] {
            #expect(throws: LoadError.self) { try labels(broken) }
        }
    }

    @Test("positions of RoBERTa begin behind the padding token's id")
    func positions() throws {
        let roberta = try describe("roberta") { _ in }
        #expect(roberta.maxTokenCount == 38)
        #expect(roberta.positions(of: [1, 1, 7, 1, 8, 9]) == [1, 1, 2, 1, 3, 4])
        let bert = try describe("bert") { _ in }
        #expect(bert.maxTokenCount == 40 && bert.positions(of: [0, 0, 7]) == [0, 1, 2])
    }
}
