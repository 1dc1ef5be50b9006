import Foundation
import Inference
import TensorCore
import TestSupport
import Testing

@Suite("Chunked prefill")
struct ChunkedPrefillTests {
    /// A copy of the tiny Llama whose configuration allows a longer context.
    private func longContextModel() throws -> URL {
        let source = ReferenceMaterial.fixtures.appendingPathComponent("models/llama")
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("infer-long-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: source, to: folder)
        let config = folder.appendingPathComponent("config.json")
        let text = try String(contentsOf: config, encoding: .utf8)
        let longer = text.replacingOccurrences(
            of: "\"max_position_embeddings\": 512", with: "\"max_position_embeddings\": 4096")
        #expect(text != longer)
        try FileManager.default.removeItem(at: config)
        try Data(longer.utf8).write(to: config)
        return folder
    }

    @Test(
        "a prompt continues the same whether prefilled at once, in chunks of 64 or token by token",
        arguments: InferenceDevice.fast, [1, 15, 16, 17, 511, 2000])
    func chunks(device: InferenceDevice, length: Int) async throws {
        let folder = try longContextModel()
        defer { try? FileManager.default.removeItem(at: folder) }
        let package = try ModelPackage(path: folder.path)
        var random = SplitMix64(name: "chunked prefill \(length)")
        let prompt = (0..<length).map { _ in Int(random.next() % 380) + 3 }
        var continuations: [[Int]] = []
        for chunk in [2048, 64, 1] {
            let engine = try await Engine(
                package, on: device.make(), options: EngineOptions(contextLength: 2100, passTokenCount: chunk))
            let request = GenerationRequest(promptTokens: prompt, maxTokens: 16, ignoresEndOfSequence: true)
            continuations.append(try await collect(try engine.generate(request)).tokens)
        }
        #expect(continuations[0].count == 16)
        #expect(continuations[1] == continuations[0])
        #expect(continuations[2] == continuations[0])
    }
}
