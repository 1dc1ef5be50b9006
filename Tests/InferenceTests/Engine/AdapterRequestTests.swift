import Foundation
import Inference
import ModelIO
import Models
import TensorCore
import TestSupport
import Testing

/// Adapters that requests name, against the same adapters merged into the weights.
@Suite("AdapterRequests")
struct AdapterRequestTests {
    /// A peft adapter of random numbers for some matrices of a model.
    private func makeAdapter(
        _ modules: [(name: String, rows: Int, columns: Int)], rank: Int, isTransposed: Bool, isDoRA: Bool = false,
        seed: String, in folder: URL
    ) throws -> LoRAAdapter {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        var random = SplitMix64(name: seed)
        var writer = SafetensorsWriter()
        func add(_ name: String, _ rows: Int, _ columns: Int) {
            let values = random.floats(rows * columns, scale: 0.3)
            writer.add(name, values, shape: [rows, columns])
        }
        for module in modules {
            add("base_model.model.\(module.name).lora_A.weight", rank, module.columns)
            add("base_model.model.\(module.name).lora_B.weight", module.rows, rank)
            guard isDoRA else { continue }
            let lengths = random.floats(module.rows, scale: 0.3).map { abs($0) + 0.2 }
            writer.add("base_model.model.\(module.name).lora_magnitude_vector", lengths, shape: [module.rows])
        }
        try writer.write(to: folder.appendingPathComponent("adapter_model.safetensors").path)
        let config = """
            {"peft_type": "LORA", "lora_alpha": 4, "r": \(rank), "fan_in_fan_out": \(isTransposed)}
            """
        try Data(config.utf8).write(to: folder.appendingPathComponent("adapter_config.json"))
        return try LoRAAdapter(path: folder.path)
    }

    private func modules(_ package: ModelPackage, _ endings: [String], isTransposed: Bool) -> [(String, Int, Int)] {
        package.checkpoint.tensors.sorted { $0.key < $1.key }.compactMap { name, tensor in
            guard let ending = endings.first(where: { name.hasSuffix("\($0).weight") }), !ending.isEmpty else {
                return nil
            }
            let (rows, columns) = isTransposed ? (tensor.shape[1], tensor.shape[0]) : (tensor.shape[0], tensor.shape[1])
            return (String(name.dropLast(".weight".count)), rows, columns)
        }
    }

    private func answer(_ engine: Engine, _ prompt: [Int], adapter: String?) async throws -> (
        tokens: [Int], scores: [Double]
    ) {
        var tokens: [Int] = []
        var scores: [Double] = []
        let request = GenerationRequest(
            promptTokens: prompt, maxTokens: 8, ignoresEndOfSequence: true, logProbabilities: 0, adapter: adapter)
        for try await update in try engine.generate(request) {
            tokens += update.tokens
            scores += update.logProbabilities.map(\.logProbability)
        }
        return (tokens, scores)
    }

    /// Endings of the names of the matrices that each of two adapters changes.
    private func endings(_ name: String) -> [[String]] {
        switch name {
        case "gpt2": [["attn.c_attn", "mlp.c_fc", "mlp.c_proj"], ["attn.c_proj"]]
        case "phi3": [["qkv_proj", "gate_up_proj"], ["o_proj", "down_proj"]]
        case "t5", "t5-gated":
            [["q", "v", "wi", "wi_0", "wi_1"].map { "." + $0 }, [".k", ".o", ".wo", ".wi_1"]]
        case "bart", "marian": [["q_proj", "v_proj", "fc1"], ["k_proj", "out_proj", "fc2"]]
        default: [["q_proj", "v_proj", "up_proj", "down_proj"], ["k_proj", "o_proj", "gate_proj"]]
        }
    }

    private func package(_ name: String) throws -> ModelPackage {
        let kind = ["t5", "bart", "marian"].contains(name) ? "tasks" : "models"
        return try ModelPackage(path: ReferenceMaterial.fixtures.appendingPathComponent("\(kind)/\(name)").path)
    }

    @Test(arguments: InferenceDevice.fast, ["llama", "gpt2", "gemma2", "phi3", "t5", "t5-gated", "bart", "marian"])
    func mixedBatchAnswersAsMergedModels(device: InferenceDevice, name: String) async throws {
        try await expectMixedAsMerged(device, name, isDoRA: [false, false])
    }

    /// DoRA beside plain adapters: with and without biases, of matrices stored either way, residuals and gates.
    @Test(arguments: InferenceDevice.fast, ["llama", "gpt2", "phi3", "t5-gated", "bart"])
    func magnitudesAnswerAsMergedModels(device: InferenceDevice, name: String) async throws {
        for isDoRA in [[true, false], [true, true]] { try await expectMixedAsMerged(device, name, isDoRA: isDoRA) }
    }

    private func expectMixedAsMerged(_ device: InferenceDevice, _ name: String, isDoRA: [Bool]) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("adapters-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let package = try package(name)
        let isTransposed = name == "gpt2"
        let adapters = try endings(name).enumerated().map { index, endings in
            try makeAdapter(
                modules(package, endings, isTransposed: isTransposed), rank: 3 + index, isTransposed: isTransposed,
                isDoRA: isDoRA[index], seed: "\(name) \(index)", in: folder.appendingPathComponent("\(index)"))
        }
        let options = EngineOptions(
            contextLength: 64, cacheTokenCount: 1024, passTokenCount: 24, sequenceCount: 8, precision: .highest)
        let mixed = try await Engine(
            package.offering([
                NamedAdapter(name: "a", adapter: adapters[0]),
                NamedAdapter(name: "b", adapter: adapters[1], scale: 0.5),
            ]), on: device.make(), options: options)
        let merged: [String?: Engine] = [
            nil: try await Engine(package, on: device.make(), options: options),
            "a": try await Engine(package.merging(adapters[0]), on: device.make(), options: options),
            "b": try await Engine(package.merging(adapters[1], scale: 0.5), on: device.make(), options: options),
        ]
        // The same prompt for all, longer than a block, so that a prefix would be found where it must not be.
        let prompt = (0..<21).map { 5 + $0 * 7 % 25 }
        var expected: [String?: (tokens: [Int], scores: [Double])] = [:]
        for (adapter, engine) in merged { expected[adapter] = try await answer(engine, prompt, adapter: nil) }
        #expect(expected[nil]?.scores != expected["a"]?.scores && expected["a"]?.scores != expected["b"]?.scores)
        for _ in 0..<2 {
            try await withThrowingTaskGroup(of: (String?, [Int], [Double]).self) { group in
                for adapter in [nil, "a", "b", "a", nil] {
                    group.addTask {
                        let (tokens, scores) = try await answer(mixed, prompt, adapter: adapter)
                        return (adapter, tokens, scores)
                    }
                }
                for try await (adapter, tokens, scores) in group {
                    let wanted = try #require(expected[adapter])
                    #expect(tokens == wanted.tokens, "\(adapter ?? "none")")
                    let error = normalizedMeanSquaredError(scores.map { Float($0) }, wanted.scores)
                    #expect(error <= 1e-9, "\(adapter ?? "none"): NMSE \(error)")
                }
            }
        }
        // The second round finds its own prefix; what an encoder read is never found again.
        #expect((mixed.status.prefixCacheHitTokenCount > 0) == (package.kind == .decoder))
        #expect(throws: InferenceError.self) {
            _ = try mixed.generate(GenerationRequest(promptTokens: prompt, maxTokens: 1, adapter: "c"))
        }
        for engine in [mixed] + merged.values { await engine.shutdown() }
    }

    /// Against what peft computed in float64, beside requests without the adapter.
    @Test(arguments: InferenceDevice.fast, ["llama", "gpt2"])
    func answersAsTheReference(device: InferenceDevice, name: String) async throws {
        guard let models = ReferenceMaterial.locate("reference/models", for: "AdapterRequestTests") else { return }
        let folder = models.appendingPathComponent("\(name)-lora")
        let adapter = NamedAdapter(name: "x", adapter: try LoRAAdapter(path: folder.path))
        let engine = try await Engine(
            ModelPackage(path: models.appendingPathComponent(name).path).offering([adapter]), on: device.make(),
            options: EngineOptions(contextLength: 64, cacheTokenCount: 1024, sequenceCount: 8, precision: .highest))
        let expected = try Checkpoint(safetensors: folder.appendingPathComponent("expected.safetensors").path)
        let (texts, logits) = (try expected.rows("input_ids"), try expected.doubles("logits"))
        let width = logits.count / (texts.count * texts[0].count)
        var (found, wanted): ([Float], [Double]) = ([], [])
        for (row, text) in texts.enumerated() {
            for count in [7, 30, text.count] {
                let request = GenerationRequest(
                    promptTokens: Array(text[..<count]), maxTokens: 1, ignoresEndOfSequence: true,
                    logProbabilities: GenerationRequest.maximumLogProbabilities, adapter: "x")
                var plain = request
                plain.adapter = nil
                async let other = collect(engine.generate(plain))
                let start = (row * text.count + count - 1) * width
                let values = logits[start..<start + width]
                let sum = log(values.reduce(0) { $0 + exp($1) })
                for try await update in try engine.generate(request) {
                    for item in update.logProbabilities.flatMap(\.alternatives) {
                        found.append(Float(item.logProbability))
                        wanted.append(values[start + item.token] - sum)
                    }
                }
                _ = try await other
            }
        }
        #expect(found.count >= 6 * 5)
        let error = normalizedMeanSquaredError(found, wanted)
        #expect(error <= 1e-9, "\(name) on \(device.name): NMSE \(error)")
        await engine.shutdown()
    }

    @Test func lengthsOfAnotherModelAreRefused() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("adapters-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let package = try package("llama")
        let q = try #require(modules(package, ["q_proj"], isTransposed: false).first)
        _ = try makeAdapter([q], rank: 2, isTransposed: false, isDoRA: true, seed: "lengths", in: folder)
        let path = folder.appendingPathComponent("adapter_model.safetensors").path
        let tensors = try Checkpoint(safetensors: path).tensors
        var writer = SafetensorsWriter()
        for (name, tensor) in tensors {
            let values = try WeightLoader(Checkpoint(safetensors: path)).floats(tensor)
            let isLengths = name.hasSuffix("magnitude_vector")
            writer.add(
                name, isLengths ? Array(values.dropLast()) : values,
                shape: isLengths ? [values.count - 1] : tensor.shape)
        }
        try writer.write(to: folder.appendingPathComponent("adapter_model.safetensors").path)
        let offered = try package.offering([NamedAdapter(name: "x", adapter: LoRAAdapter(path: folder.path))])
        let device = try #require(InferenceDevice.all.first)
        await #expect(throws: LoadError.self) { _ = try await Engine(offered, on: device.make()) }
    }

    @Test func modelsThatWriteNoTextTakeNoAdaptersOfRequests() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("adapters-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let adapter = try makeAdapter([("x", 4, 4)], rank: 2, isTransposed: false, seed: "x", in: folder)
        let encoder = try ModelPackage(path: ReferenceMaterial.fixtures.appendingPathComponent("tasks/mlm").path)
        #expect(throws: InferenceError.self) {
            _ = try encoder.offering([NamedAdapter(name: "x", adapter: adapter)])
        }
    }

    @Test func adaptersThatCannotBeKeptApartAreNamed() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("adapters-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let package = try ModelPackage(path: ReferenceMaterial.fixtures.appendingPathComponent("models/llama").path)
        let device = try #require(InferenceDevice.all.first)
        // One of no layer, one of the head, and one of another shape.
        let q = try #require(modules(package, ["q_proj"], isTransposed: false).first)
        for (name, rows, columns) in [("other.q_proj", 4, 4), ("lm_head", 384, q.2), (q.0, q.1 + 1, q.2)] {
            let adapter = try makeAdapter(
                [(name, rows, columns)], rank: 2, isTransposed: false, seed: name,
                in: folder.appendingPathComponent(name))
            let offered = try package.offering([NamedAdapter(name: "x", adapter: adapter)])
            await #expect(throws: LoadError.self) { _ = try await Engine(offered, on: device.make()) }
            #expect(throws: InferenceError.self) {
                _ = try offered.offering([NamedAdapter(name: "x", adapter: adapter)])
            }
        }
    }
}
