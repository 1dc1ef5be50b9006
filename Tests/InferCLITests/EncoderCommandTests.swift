import Foundation
import ModelIO
import TensorCore
import TestSupport
import Testing

/// Encoders through the command line.
@Suite struct EncoderCommandTests {
    private static let fixture = ReferenceMaterial.fixtures.appendingPathComponent("models/bert-heads").path

    /// Runs `forward` over rows of ids on the CPU; `edit` adds inputs.
    private func forward(
        _ model: String, _ rows: [[Int]], _ edit: (inout SafetensorsWriter) -> Void = { _ in }
    ) throws -> (result: CommandLineTool.Result, outputs: Checkpoint?) {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        var writer = SafetensorsWriter()
        writer.add("input_ids", rows.flatMap { $0 }, shape: [rows.count, rows.first?.count ?? 0])
        edit(&writer)
        let (inputs, outputs) = (folder.file("in.safetensors").path, folder.file("out.safetensors").path)
        try writer.write(to: inputs)
        let result = try CommandLineTool.run([
            "forward", "--device", "cpu", "--model", model, "--inputs", inputs, "--outputs", outputs,
        ])
        return (result, result.exitCode == 0 ? try Checkpoint(safetensors: outputs) : nil)
    }

    @Test(
        "outputs have the names and shapes of their head",
        arguments: [
            ("Model", ["last_hidden_state": [2, 3, 40], "pooler_output": [2, 40]]),
            ("ForMaskedLM", ["logits": [2, 3, 96]]), ("ForNextSentencePrediction", ["logits": [2, 2]]),
            ("ForSequenceClassification", ["logits": [2, 3]]), ("ForTokenClassification", ["logits": [2, 3, 3]]),
            ("ForQuestionAnswering", ["start_logits": [2, 3], "end_logits": [2, 3]]),
        ])
    func outputs(head: String, shapes: [String: [Int]]) throws {
        let model = try ModelFolder("bert-heads")
        defer { model.remove() }
        try model.editJSON("config.json") { $0["architectures"] = ["Bert\(head)"] }
        let (result, outputs) = try forward(model.path, [[5, 6, 7], [8, 9, 10]]) {
            $0.add("attention_mask", [1, 1, 1, 1, 1, 0], shape: [2, 3])
            $0.add("token_type_ids", [0, 0, 1, 0, 1, 1], shape: [2, 3])
        }
        #expect(result.exitCode == 0 && !result.errors.contains("is not read"), "\(result.errors)")
        #expect(outputs?.tensors.mapValues(\.shape.extents) == shapes)
    }

    @Test("inputs that do not fit are named")
    func refusedInputs() throws {
        func refuse(
            _ rows: [[Int]], naming culprits: [String], _ edit: (inout SafetensorsWriter) -> Void = { _ in }
        ) throws {
            let result = try forward(Self.fixture, rows, edit).result
            CommandLineTool.expectFailure(result, code: 1, naming: culprits, "\(rows)")
        }
        try refuse([[5, 96]], naming: ["96", "vocabulary"])
        try refuse([[5, -1]], naming: ["-1", "vocabulary"])
        try refuse([[Int](repeating: 5, count: 41)], naming: ["41", "at most 40"])
        try refuse([[5, 6]], naming: ["row 0", "attention_mask"]) { $0.add("attention_mask", [0, 0], shape: [1, 2]) }
        try refuse([[5, 6]], naming: ["attention_mask", "[1, 2]"]) { $0.add("attention_mask", [1], shape: [1, 1]) }
        try refuse([[5, 6]], naming: ["segment 2"]) { $0.add("token_type_ids", [0, 2], shape: [1, 2]) }
        try refuse([[5, 6]], naming: ["token_type_ids"]) { $0.add("token_type_ids", [0, 0, 0], shape: [1, 3]) }
    }

    @Test(
        "commands for decoders say what the model is",
        arguments: [["generate", "hi"], ["bench", "-p", "8", "-n", "0"]])
    func refusedCommands(command: [String]) throws {
        let result = try CommandLineTool.run(command + ["--device", "cpu", "--model", Self.fixture])
        CommandLineTool.expectFailure(
            result, code: 1, naming: ["bert-heads", "encoder", "infer forward"], command[0])
    }

    @Test("perplexity says what the model is")
    func refusedPerplexity() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try Data("some text".utf8).write(to: folder.file("text"))
        let result = try CommandLineTool.run([
            "perplexity", "--device", "cpu", "--model", Self.fixture, "--file", folder.file("text").path,
        ])
        CommandLineTool.expectFailure(result, code: 1, naming: ["encoder", "infer forward"], "perplexity")
    }

    @Test("weights that are missing or misshapen are named")
    func brokenWeights() throws {
        func refuse(_ head: String, naming culprits: [String], _ edit: (ModelFolder) throws -> Void) throws {
            let model = try ModelFolder("bert-heads")
            defer { model.remove() }
            try model.editJSON("config.json") { $0["architectures"] = ["Bert\(head)"] }
            try edit(model)
            let result = try forward(model.path, [[5, 6]]).result
            CommandLineTool.expectFailure(result, code: 1, naming: culprits, head)
        }
        func without(_ name: String) -> (ModelFolder) throws -> Void {
            { try $0.editHeader { header in header["renamed"] = header.removeValue(forKey: name) } }
        }
        let layer = "bert.encoder.layer.1.attention.output.LayerNorm.weight"
        try refuse("Model", naming: ["encoder.layer.1.attention.output.LayerNorm.weight"], without(layer))
        let decoder = "cls.predictions.bias"
        try refuse("ForMaskedLM", naming: [decoder], without(decoder))
        try refuse("ForSequenceClassification", naming: ["pooler.dense.weight"], without("bert.pooler.dense.weight"))
        try refuse("ForQuestionAnswering", naming: ["qa_outputs.weight"], without("qa_outputs.weight"))
        try refuse("ForTokenClassification", naming: ["classifier.weight", "[4, 40]"]) {
            try $0.editJSON("config.json") { $0["id2label"] = ["0": "a", "1": "b", "2": "c", "3": "d"] }
        }
        try refuse("Model", naming: ["word_embeddings.weight", "[97, 40]"]) {
            try $0.editJSON("config.json") { $0["vocab_size"] = 97 }
        }
    }

    @Test("inspect shows an encoder's task, labels and memory")
    func inspect() throws {
        let model = try ModelFolder("bert-heads")
        defer { model.remove() }
        try model.editJSON("config.json") { $0["architectures"] = ["BertForSequenceClassification"] }
        let result = try CommandLineTool.run(["inspect", "--json", model.path])
        let object = try JSONSerialization.jsonObject(with: Data(result.outputBytes)) as? [String: Any]
        let found = try #require(object)
        #expect(found["runnable"] as? Bool == true && found["task"] as? String == "sequenceClassification")
        #expect(found["labels"] as? [String] == ["negative", "neutral", "positive"])
        #expect((found["memory"] as? [String: Int])?["activation_bytes"] == 40 * 4 * (5 * 40 + 56))
        let text = try CommandLineTool.run(["inspect", model.path]).output
        #expect(text.contains("classification of texts: negative, neutral, positive"))
        // A head that is not here is no reason to show nothing.
        try model.editJSON("config.json") { $0["architectures"] = ["BertForMultipleChoice"] }
        #expect(try CommandLineTool.run(["inspect", model.path]).exitCode == 0)
    }
}
