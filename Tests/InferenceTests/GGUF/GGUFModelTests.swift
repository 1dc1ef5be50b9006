import Foundation
import Inference
import JSONCore
import ModelIO
import TensorCore
import TestSupport
import Testing

@Suite("GGUF models")
struct GGUFModelTests {
    private static let types = [
        "f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q2_k", "q3_k_m", "q4_k_m", "q4_k_s", "q5_k_m",
        "q6_k", "iq4_nl", "iq4_xs",
    ]

    private func error(
        _ package: ModelPackage, _ expected: Checkpoint, on device: InferenceDevice,
        precision: MatmulPrecision = .highest
    ) throws -> Double {
        let rows = try expected.rows("input_ids")
        let pass = try ForwardPass(
            package, on: device.make(), contextLength: rows[0].count, options: EngineOptions(precision: precision))
        let logits = try rows.flatMap { try pass.logits(for: $0) }
        return normalizedMeanSquaredError(logits, try expected.doubles("logits"))
    }

    @Test("logits agree with the float64 answers", arguments: InferenceDevice.all, Self.types)
    func reference(device: InferenceDevice, type: String) throws {
        guard let folder = ReferenceMaterial.locate("reference/gguf", for: "GGUF logits") else { return }
        let package = try ModelPackage(path: folder.appendingPathComponent("tiny-\(type).gguf").path)
        let answers = folder.appendingPathComponent("tiny-\(type).expected.safetensors").path
        let expected = try Checkpoint(safetensors: answers)
        let exact = try error(package, expected, on: device)
        let fast = try error(package, expected, on: device, precision: .medium)
        #expect(exact <= 1e-9, "\(type) on \(device.name): NMSE \(exact)")
        // llama.cpp makes 1.99e-4 to 2.10e-4 of the formats of 32 columns a scale, and 4.2e-4 and more of others.
        #expect(fast <= 1.98e-4, "\(type) on \(device.name) with rounded activations: NMSE \(fast)")
        print("tiny-\(type).gguf on \(device.name): NMSE \(exact), with rounded activations \(fast)")
    }

    /// The tests' own models, written as GGUF the way llama.cpp's converter does: names, order of rows, fused and
    /// untransposed matrices, Llama 3's factors.
    @Test(
        "models of Hugging Face answer the same as GGUF", arguments: ReferenceModel.all.filter { $0.name != "mistral" })
    func converted(model: ReferenceModel) throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).gguf")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(try GGUFConversion(model.folder.path).builder().file).write(to: file)
        let package = try ModelPackage(path: file.path)
        for device in InferenceDevice.all {
            let error = try error(package, try model.expected(), on: device)
            #expect(error <= model.tolerance, "\(model.name) on \(device.name): NMSE \(error)")
        }
    }

    @Test("a trained model writes what its reference says", arguments: InferenceDevice.all)
    func stories(device: InferenceDevice) async throws {
        guard let folder = ReferenceMaterial.locate("reference/trained", for: "GGUF stories") else { return }
        let package = try ModelPackage(path: folder.appendingPathComponent("stories260K.gguf").path)
        let json = folder.appendingPathComponent("stories260K/expected.json")
        let root = try JSONDocument(parsing: [UInt8](Data(contentsOf: json)), source: "expected.json").root
        let engine = try await Engine(package, on: device.make())
        for value in try root.requireArray("cases") {
            let promptIDs = try value.requireArray("prompt_ids").compactMap(\.int)
            let continuation = try value.requireArray("greedy_ids").compactMap(\.int)
            #expect(try package.promptTokens(for: try value.requireString("prompt")) == promptIDs)
            guard !continuation.isEmpty else { continue }
            let request = GenerationRequest(promptTokens: promptIDs, maxTokens: continuation.count)
            let (tokens, _, _) = try await collect(try engine.generate(request))
            #expect(tokens == continuation, "on \(device.name)")
        }
    }

    @Test(
        "blocks decoded while loading give the same answers", arguments: ["q8_0", "q3_k_m", "q4_k_m", "iq4_xs", "q5_0"])
    func decoded(type: String) throws {
        guard let folder = ReferenceMaterial.locate("reference/gguf", for: "GGUF decoding") else { return }
        let package = try ModelPackage(path: folder.appendingPathComponent("tiny-\(type).gguf").path)
        let expected = try Checkpoint(
            safetensors: folder.appendingPathComponent("tiny-\(type).expected.safetensors").path)
        let rows = try expected.rows("input_ids")
        let device = try #require(InferenceDevice.all.first)
        let pass = try ForwardPass(
            package, on: device.make(), contextLength: rows[0].count, options: EngineOptions(weightFormat: .float32))
        let logits = try rows.flatMap { try pass.logits(for: $0) }
        #expect(normalizedMeanSquaredError(logits, try expected.doubles("logits")) <= 1e-9)
    }

    /// llama.cpp's Q4_K_M gives half of the layers' values another format than their queries and keys.
    @Test("projections of one layer may differ in format", arguments: ["llama", "qwen2"])
    func mixedFormats(name: String) throws {
        let folder = ReferenceMaterial.fixtures.appendingPathComponent("models/\(name)").path
        var mixed = try GGUFConversion(folder).builder()
        var plain = mixed
        let changed = ["blk.0.attn_v.weight", "blk.0.ffn_gate.weight", "blk.1.attn_k.weight", "blk.1.ffn_up.weight"]
        for (index, tensor) in mixed.tensors.enumerated() where changed.contains(tensor.name) {
            let halves = tensor.bytes.withUnsafeBytes { $0.bindMemory(to: Float.self).map(Float16.init) }
            plain.tensors[index] = .init(tensor.name, tensor.extents, halves.map(Float.init))
            mixed.tensors[index] = .init(
                tensor.name, tensor.extents, type: 1, bytes: halves.withUnsafeBytes { [UInt8]($0) })
        }
        let packages = try [plain, mixed].map { builder in
            let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).gguf")
            defer { try? FileManager.default.removeItem(at: file) }
            try Data(builder.file).write(to: file)
            return try ModelPackage(path: file.path)
        }
        for device in InferenceDevice.all {
            // One token takes other kernels than many.
            for tokens in [[9], Array(20..<60)] {
                let logits = try packages.map { package in
                    try ForwardPass(package, on: device.make(), contextLength: 64).logits(for: tokens).map(Double.init)
                }
                let error = normalizedMeanSquaredError(logits[1].map(Float.init), logits[0])
                #expect(error <= 1e-10, "\(name), \(tokens.count) tokens on \(device.name): NMSE \(error)")
            }
        }
    }

    @Test("a number format that cannot be computed names the tensor")
    func unsupported() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).gguf")
        defer { try? FileManager.default.removeItem(at: file) }
        let folder = ReferenceMaterial.fixtures.appendingPathComponent("models/qwen2").path
        var builder = try GGUFConversion(folder).builder()
        let index = try #require(builder.tensors.firstIndex { $0.name == "token_embd.weight" })
        let extents = builder.tensors[index].extents
        // Rows of 256 in blocks of IQ2_XS.
        let count = extents.reduce(1, *) / 256
        builder.tensors[index] = .init(
            "token_embd.weight", [256, count], type: 17, bytes: [UInt8](repeating: 0, count: 74 * Int(count)))
        try Data(builder.file).write(to: file)
        let package = try ModelPackage(path: file.path)
        let error = #expect(throws: LoadError.self) {
            _ = try ForwardPass(package, on: try #require(InferenceDevice.all.first).make(), contextLength: 8)
        }
        #expect(error?.description.contains("'token_embd.weight'") == true)
    }

    @Test("unknown architectures name themselves")
    func unknownArchitecture() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).gguf")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(GGUFBuilder(metadata: [("general.architecture", .string("rwkv9"))]).file).write(to: file)
        let error = #expect(throws: LoadError.self) { _ = try ModelPackage(path: file.path).describe() }
        #expect(error?.description.contains("rwkv9") == true)
    }
}
