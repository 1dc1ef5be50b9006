import Foundation
import ModelIO
import TensorCore
import TestSupport
import Testing

/// `--lora` against models with the adapter applied in float64.
struct AdapterCommandTests {
    @Test(arguments: ["llama", "gpt2"]) func mergedAdaptersAnswerAsTheReference(_ name: String) throws {
        guard let models = ReferenceMaterial.locate("reference/models", for: "AdapterCommandTests") else { return }
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let adapter = models.appendingPathComponent("\(name)-lora")
        let expectedPath = adapter.appendingPathComponent("expected.safetensors").path
        let (outputs, plain) = (folder.file("out.safetensors").path, folder.file("plain.safetensors").path)
        func run(_ arguments: [String], into path: String) throws -> [Float] {
            let result = try CommandLineTool.run(
                ["forward", "--model", models.appendingPathComponent(name).path, "--device", "cpu", "--inputs"]
                    + [expectedPath, "--outputs", path] + arguments)
            try #require(result.exitCode == 0, "\(result.errors)")
            return try logits(path)
        }
        let expected = try logits(expectedPath)
        let merged = try run(["--lora", adapter.path], into: outputs)
        #expect(error(of: merged, from: expected) <= 1e-9)
        // Half twice is the whole; without it the answer is another.
        let halves = try run(["--lora", adapter.path + "=0.5", "--lora", adapter.path + "=0.5"], into: outputs)
        #expect(error(of: halves, from: expected) <= 1e-9)
        #expect(error(of: try run([], into: plain), from: expected) > 1e-4)
    }

    private func logits(_ path: String) throws -> [Float] {
        let checkpoint = try Checkpoint(safetensors: path)
        return try WeightLoader(checkpoint).floats(try #require(checkpoint["logits"]))
    }

    private func error(of values: [Float], from expected: [Float]) -> Double {
        guard values.count == expected.count else { return .infinity }
        let difference = zip(values, expected).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
        return difference / expected.reduce(0.0) { $0 + pow(Double($1), 2) }
    }

    @Test func badAdaptersAreToldInOneLine() throws {
        for (arguments, exitCode) in [(["--lora", "/no/adapter"], Int32(1)), (["--lora", "x=y"], 64)] {
            let result = try CommandLineTool.run(["generate", "--device", "cpu", "hi"] + arguments)
            #expect(result.exitCode == exitCode)
            #expect(result.errorLines.count == 1)
        }
    }

    @Test func namesReachOneModelEach() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let model = ReferenceMaterial.fixtures.appendingPathComponent("models/gpt2").path
        let name = "h.0.attn.c_attn"
        let checkpoint = try Checkpoint(safetensors: model + "/model.safetensors")
        let tensor = try #require(checkpoint["transformer.\(name).weight"] ?? checkpoint["\(name).weight"])
        let (columns, rows) = (tensor.shape[0], tensor.shape[1])
        var writer = SafetensorsWriter()
        for (part, shape) in [("lora_A", [1, columns]), ("lora_B", [rows, 1])] {
            let values = [Float](repeating: 0.1, count: shape.reduce(1, *))
            writer.add("base_model.model.transformer.\(name).\(part).weight", values, shape: Shape(shape))
        }
        try writer.write(to: folder.file("adapter_model.safetensors").path)
        try Data(#"{"peft_type": "LORA", "lora_alpha": 1, "r": 1, "fan_in_fan_out": true}"#.utf8)
            .write(to: folder.file("adapter_config.json"))
        let serve = ["serve", "--port", "0", "--device", "cpu", "--model", model]
        for (arguments, words) in [
            (["--lora", "gpt2=\(folder.path)"], "--lora is gpt2, expected a name other than the model's"),
            (["--lora", "x=\(folder.path)", "--alias", "x"], "--lora is x"),
            (["--model", model], "--model is gpt2, expected a name that no other model has"),
        ] {
            let result = try CommandLineTool.run(serve + arguments)
            #expect(result.exitCode == 1 && result.errorLines.count == 1, "\(result.errors)")
            #expect(result.errors.contains(words), "\(result.errors)")
        }
    }
}
