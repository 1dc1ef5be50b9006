import Foundation
import Inference
import JSONCore
import ModelIO
import Models
import TensorCore
import TestSupport
import Testing

@Suite("Reference models")
struct ReferenceModelTests {
    @Test(
        "logits agree with the float64 answers", arguments: InferenceDevice.all,
        ReferenceModel.all + ReferenceModel.families)
    func logits(device: InferenceDevice, model: ReferenceModel) throws {
        let expected = try model.expected()
        let rows = try expected.rows("input_ids")
        let pass = try ForwardPass(
            try model.package(), on: device.make(), contextLength: rows[0].count,
            options: EngineOptions(precision: .highest))
        let logits = try rows.flatMap { try pass.logits(for: $0) }
        let error = normalizedMeanSquaredError(logits, try expected.doubles("logits"))
        #expect(error <= model.tolerance, "\(model.name) on \(device.name): NMSE \(error)")
    }

    @Test(
        "16-bit and 8-bit weights stay near the answers", arguments: InferenceDevice.fast,
        [
            (WeightFormat.bfloat16, 1e-3), (.float16, 1e-5), (.int8, 1e-2),
        ])
    func convertedWeights(device: InferenceDevice, format: (WeightFormat, Double)) throws {
        for model in ReferenceModel.fixtures {
            let expected = try model.expected()
            let rows = try expected.rows("input_ids")
            let pass = try ForwardPass(
                try model.package(), on: device.make(), contextLength: rows[0].count,
                options: EngineOptions(weightFormat: format.0))
            let logits = try rows.flatMap { try pass.logits(for: $0) }
            let error = normalizedMeanSquaredError(logits, try expected.doubles("logits"))
            #expect(error <= format.1, "\(model.name) in \(format.0) on \(device.name): NMSE \(error)")
        }
    }

    /// As the configuration of Gemma 3 4B has it, which leaves the rest to its library.
    @Test("the text model of one with images takes what is left out from the defaults")
    func textModel() throws {
        let text = #"""
            {"model_type": "gemma3", "vision_config": {"hidden_size": 1152}, "text_config": {"hidden_size": 2560,
            "intermediate_size": 10240, "num_hidden_layers": 34, "sliding_window": 1024,
            "rope_scaling": {"factor": 8.0, "rope_type": "linear"}}}
            """#
        let description = try ModelRegistry.decoderPlan(
            ModelConfiguration(parsing: Array(text.utf8), path: "config.json")
        ).description
        #expect(description.layerCount == 34 && description.hiddenSize == 2560)
        #expect(description.headCount == 8 && description.keyValueHeadCount == 4 && description.headSize == 256)
        #expect(description.vocabularySize == 262_208 && description.maxContextLength == 131_072)
        let broken = text.replacingOccurrences(of: "10240", with: "-1")
        let error = #expect(throws: LoadError.self) {
            try ModelRegistry.decoderPlan(ModelConfiguration(parsing: Array(broken.utf8), path: "config.json"))
                .description
        }
        #expect(error?.description.contains("'text_config.intermediate_size'") == true)
    }

    @Test(
        "greedy continuations are the reference's", arguments: InferenceDevice.all,
        ReferenceModel.all + ReferenceModel.families)
    func greedy(device: InferenceDevice, model: ReferenceModel) async throws {
        let expected = try model.expected()
        let continuation = try expected.rows("greedy_ids")[0]
        let engine = try await Engine(try model.package(), on: device.make())
        let request = GenerationRequest(
            promptTokens: try expected.rows("input_ids")[0], maxTokens: continuation.count,
            ignoresEndOfSequence: true)
        let (tokens, _, result) = try await collect(try engine.generate(request))
        #expect(tokens == continuation)
        #expect(result.tokenCount == continuation.count)
        #expect(result.finishReason == .length)
    }

    /// One case of an `expected.json` of a trained model.
    private func checkTrained(_ package: ModelPackage, _ expectedJSON: URL, on device: InferenceDevice) async throws {
        let engine = try await Engine(package, on: device.make())
        let root = try JSONDocument(parsing: [UInt8](Data(contentsOf: expectedJSON)), source: "expected.json").root
        let cases = try #require(root["cases"]?.array)
        #expect(cases.count > 0)
        for value in cases {
            let prompt = try #require(value["prompt"]?.string)
            let promptIDs = try #require(value["prompt_ids"]?.array).compactMap(\.int)
            let continuation = try #require(value["greedy_ids"]?.array).compactMap(\.int)
            #expect(try package.promptTokens(for: prompt) == promptIDs, "prompt '\(prompt)'")
            // Where not even the first token is clear there is nothing to compare.
            guard !continuation.isEmpty else { continue }
            let request = GenerationRequest(promptTokens: promptIDs, maxTokens: continuation.count)
            let (tokens, _, _) = try await collect(try engine.generate(request))
            #expect(tokens == continuation, "after '\(prompt)' on \(device.name)")
        }
    }

    @Test("the bundled model writes what its reference says", arguments: InferenceDevice.all)
    func bundled(device: InferenceDevice) async throws {
        let package = try ModelPackage.bundled()
        let folder = ReferenceMaterial.fixtures.appendingPathComponent("bard")
        try await checkTrained(package, folder.appendingPathComponent("expected.json"), on: device)
        let expected = try Checkpoint(safetensors: folder.appendingPathComponent("expected.safetensors").path)
        let rows = try expected.rows("input_ids")
        // Its weights are BF16: rounded to it, activations make an error of 7.6e-7. They are too small to be worth it.
        for (precision, bound) in [(MatmulPrecision.highest, 1e-9), (.automatic, 1e-9), (.medium, 5e-6)] {
            let pass = try ForwardPass(
                package, on: device.make(), contextLength: rows[0].count,
                options: EngineOptions(precision: precision, cacheType: .float32))
            let logits = try rows.flatMap { try pass.logits(for: $0) }
            let error = normalizedMeanSquaredError(logits, try expected.doubles("logits"))
            #expect(error <= bound, "\(precision): NMSE \(error)")
        }
    }

    @Test(
        "trained models write what their references say", arguments: InferenceDevice.all, ["stories260K", "capp-gpt2"])
    func trained(device: InferenceDevice, name: String) async throws {
        guard let folder = ReferenceMaterial.locate("reference/trained/\(name)", for: "trained models") else { return }
        try await checkTrained(
            try ModelPackage(path: folder.path), folder.appendingPathComponent("expected.json"), on: device)
    }
}
