import Foundation
import Inference
import ModelIO
import TensorCore
import TestSupport
import Testing

/// Parts of models that `transformers` builds in ways of its own, by what follows from them.
@Suite("Heads and positions as stored")
struct StoredHeadTests {
    /// A fixture with other settings and tensors.
    private func package(
        _ fixture: String, settings: [String: Any] = [:], tensors edit: (String, [Float]) -> [Float] = { $1 },
        added: [(name: String, values: [Float], shape: Shape)] = []
    ) throws -> ModelPackage {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("infer-stored-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let source = ReferenceMaterial.fixtures.appendingPathComponent(fixture)
        let object = try JSONSerialization.jsonObject(
            with: Data(contentsOf: source.appendingPathComponent("config.json")))
        let old = try #require(object as? [String: Any])
        try JSONSerialization.data(withJSONObject: old.merging(settings) { $1 })
            .write(to: folder.appendingPathComponent("config.json"))
        let checkpoint = try Checkpoint(safetensors: source.appendingPathComponent("model.safetensors").path)
        let loader = WeightLoader(checkpoint)
        var writer = SafetensorsWriter()
        for (name, tensor) in checkpoint.tensors {
            writer.add(name, edit(name, try loader.floats(tensor)), shape: tensor.shape)
        }
        for (name, values, shape) in added { writer.add(name, values, shape: shape) }
        try writer.write(to: folder.appendingPathComponent("model.safetensors").path)
        return try ModelPackage(path: folder.path)
    }

    private func logits(_ package: ModelPackage, on device: InferenceDevice) throws -> [Float] {
        let input = EncoderInput(tokens: [0, 9, 21, 33, 45, 2])
        let options = EngineOptions(precision: .highest)
        let results = try EncoderPass(package, on: device.make(), longest: 6, options: options).run([input])
        return try #require(results.first { $0.name == "logits" }).values[0]
    }

    private func logits(
        _ package: ModelPackage, source: [Int], on device: InferenceDevice
    ) throws -> [Float] {
        let input = EncoderDecoderInput(source: EncoderInput(tokens: source), target: [0, 7, 8])
        let options = EngineOptions(precision: .highest)
        let results = try EncoderDecoderPass(
            package, on: device.make(), longestSource: source.count, longestTarget: 3, options: options
        ).run([input])
        return try #require(results.first { $0.name == "logits" }).values[0]
    }

    private func distance(_ a: [Float], _ b: [Float]) -> Double {
        normalizedMeanSquaredError(a, b.map(Double.init))
    }

    @Test("the activation of RoBERTa's head is GELU, that of BERT's the layers' own", arguments: InferenceDevice.fast)
    func headActivation(device: InferenceDevice) throws {
        for (family, isOwn) in [("roberta", false), ("bert", true)] {
            // Feed-forward parts of zeros do the same under every activation.
            let both = try ["gelu", "relu"].map { name in
                let package = try package(
                    "models/\(family)-heads", settings: ["hidden_act": name, "architectures": ["EncoderForMaskedLM"]],
                    tensors: { $0.contains(".intermediate.") ? $1.map { _ in 0 } : $1 })
                return try logits(package, on: device)
            }
            #expect((distance(both[0], both[1]) > 1e-6) == isOwn, "\(family) on \(device.name)")
        }
    }

    @Test("the bias of a masked language model is its decoder's, where it is stored", arguments: InferenceDevice.fast)
    func decoderBias(device: InferenceDevice) throws {
        for (family, name) in [("roberta", "lm_head"), ("bert", "cls.predictions")] {
            let bias = (0..<96).map { Float($0 % 13) - 6 }
            let settings = ["architectures": ["EncoderForMaskedLM"]]
            let decoder = try package(
                "models/\(family)-heads", settings: settings,
                added: [("\(name).decoder.bias", bias, [96])])
            let plain = try package(
                "models/\(family)-heads", settings: settings, tensors: { $0 == "\(name).bias" ? bias : $1 })
            let (found, expected) = (try logits(decoder, on: device), try logits(plain, on: device))
            #expect(distance(found, expected) < 1e-12, "\(family) on \(device.name)")
        }
    }

    @Test("mT5 scales nothing before its head, whatever its file says", arguments: InferenceDevice.fast)
    func outputScale(device: InferenceDevice) throws {
        let source = [5, 9, 21, 1]
        let scaled = try logits(package("models/t5-plain"), source: source, on: device)
        for says: [String: Any] in [[:], ["tie_word_embeddings": false], ["scale_decoder_outputs": true]] {
            let settings = says.merging(["model_type": "mt5"]) { $1 }
            // A head of its own has the same values here.
            let shared = try Checkpoint(
                safetensors: ReferenceMaterial.fixtures.appendingPathComponent("models/t5-plain/model.safetensors").path
            )
            let head = try WeightLoader(shared).floats(try #require(shared["shared.weight"]))
            let package = try package(
                "models/t5-plain", settings: settings, added: [("lm_head.weight", head, [96, 24])])
            let found = try logits(package, source: source, on: device)
            let expected = scaled.map { $0 * Float(24).squareRoot() }
            #expect(distance(found, expected) < 1e-11, "\(says) on \(device.name)")
        }
    }

    @Test("positions that a Marian's file holds are used", arguments: InferenceDevice.fast)
    func storedPositions(device: InferenceDevice) throws {
        let name = "model.encoder.embed_positions.weight"
        // Equal vectors of all positions: the order of a source makes no difference.
        let equal = (0..<514).flatMap { _ in (0..<16).map { Float($0 % 5) * 0.3 } }
        let stored = try package("tasks/marian", added: [(name, equal, [514, 16])])
        let sinusoids = try package("tasks/marian")
        let (source, turned) = ([5, 9, 21, 2], [2, 21, 9, 5])
        func change(_ package: ModelPackage) throws -> Double {
            distance(try logits(package, source: source, on: device), try logits(package, source: turned, on: device))
        }
        #expect(try change(stored) < 1e-9)
        #expect(try change(sinusoids) > 1e-6)
    }
}
