import Foundation
import ModelIO
import TensorCore
import Testing

/// In which format matrices of adapters that requests name are kept.
struct AdapterFormatTests {
    private let rows = 3, columns = 4, rank = 2

    /// The layer's matrices with one adapter of `A` = `down` and `B` = `up`, whose scale is 2 times `scale`.
    private func stacked(down: [Float], up: [Float], scale: Double) throws -> AdapterSet.Stacked {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var writer = SafetensorsWriter()
        writer.add("base_model.model.layer.q_proj.lora_A.weight", down, shape: [rank, columns])
        writer.add("base_model.model.layer.q_proj.lora_B.weight", up, shape: [rows, rank])
        try writer.write(to: folder.appendingPathComponent("adapter_model.safetensors").path)
        try Data("{\"peft_type\": \"LORA\", \"lora_alpha\": 4, \"r\": 2}".utf8)
            .write(to: folder.appendingPathComponent("adapter_config.json"))
        let set = try AdapterSet([(name: "a", adapter: LoRAAdapter(path: folder.path), scale: scale)])
        return try #require(
            try set.stacked([(name: "layer.q_proj", rows: rows)], columns: columns) { _ in
                throw CancellationError()
            })
    }

    private func values(_ source: WeightSource) throws -> [Float] {
        let types: [WeightFormat: StoredType] = [.float32: .float32, .bfloat16: .bfloat16, .float16: .float16]
        let tensor = StoredTensor(
            name: "adapter", type: try #require(types[source.format]),
            shape: [source.rows, source.columns], bytes: source.parts[0].bytes, path: "adapter")
        return try WeightLoader(Checkpoint(path: "adapter", tensors: [])).floats(tensor)
    }

    @Test(
        "is the smallest that holds them and their scale exactly",
        arguments: [
            (Float(1.5), 1.0, WeightFormat.bfloat16), (1.5, 0.25, .bfloat16), (1.0009765625, 1, .float16),
            (1.5, 0.8, .float32), (1e-30, 1, .float32), (1.0001, 1, .float32),
        ])
    func format(_ number: Float, _ scale: Double, _ format: WeightFormat) throws {
        let down: [Float] = [0.5, -0.25, 3, 0, 1, 2, -7, number]
        let up: [Float] = [1, number, -0.125, 0, 0.75, 96]
        let stacked = try stacked(down: down, up: up, scale: scale)
        for source in stacked.downs + stacked.ups { #expect(source.format == format) }
        #expect(try values(stacked.downs[1]) == down)
        #expect(try values(stacked.ups[1]) == up.map { Float(Double($0) * 2 * scale) })
        #expect(try values(stacked.downs[0]).allSatisfy { $0 == 0 })
    }
}
