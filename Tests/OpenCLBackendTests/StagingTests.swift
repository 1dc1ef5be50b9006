import OpenCLBackend
import TensorCore
import Testing

@Suite("Staged writes")
struct StagingTests {
    /// Weights with scales are copied with blocking transfers between many small writes; none may take another's place.
    @Test("small writes keep their contents while other transfers block")
    func smallWritesSurviveBlockingTransfers() throws {
        for device in ((try? OpenCLDevice.all()) ?? []).filter(\.isUsable) {
            let backend = try OpenCLBackend(device: device)
            var tensors: [(tensor: Tensor, value: Float)] = []
            for round in 0..<200 {
                let value = Float(round) + 0.5
                tensors.append((try backend.makeTensor([Float](repeating: value, count: 192), [192]), value))
                let rows = HostAllocation(byteCount: 16 * 64)
                rows.pointer.initializeMemory(as: UInt8.self, repeating: 1)
                let scales = HostAllocation(byteCount: 16 * 4)
                scales.pointer.initializeMemory(as: Float.self, repeating: 1)
                _ = try backend.prepare(
                    WeightSource(
                        name: "w\(round)", format: .int8, columns: 64,
                        parts: [WeightPart(rows: 16, bytes: rows.bytes, scales: scales.bytes)]))
            }
            for (tensor, value) in tensors {
                #expect(try backend.readFloats(tensor).allSatisfy { $0 == value }, "\(value) on \(device.name)")
            }
        }
    }
}
