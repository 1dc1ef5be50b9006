import Foundation
import ModelIO
import TensorCore
import TestSupport
import Testing

/// Files of `torch.save` (Tests/Fixtures/tasks/bge-m3, made by torch).
struct PickleTests {
    private static let folder = ReferenceMaterial.fixtures.appendingPathComponent("tasks/bge-m3")

    private func open(_ bytes: Data) throws -> Checkpoint {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).pt")
        defer { try? FileManager.default.removeItem(at: file) }
        try bytes.write(to: file)
        return try Checkpoint(torch: file.path)
    }

    @Test func tensorsLieWhereTheArchiveHasThem() throws {
        let checkpoint = try Checkpoint(torch: PickleTests.folder.appendingPathComponent("colbert_linear.pt").path)
        #expect(checkpoint.tensors.keys.sorted() == ["bias", "weight"])
        let weight = try #require(checkpoint["weight"])
        #expect(weight.shape.extents == [16, 16])
        let values = try WeightLoader(checkpoint).floats(weight)
        // Drawn from a normal distribution over the square root of 16.
        let variance = values.reduce(0) { $0 + $1 * $1 } / Float(values.count)
        #expect((0.04...0.09).contains(variance))
    }

    @Test func damagedFilesAreErrors() throws {
        let whole = try Data(contentsOf: PickleTests.folder.appendingPathComponent("sparse_linear.pt"))
        var random = SplitMix64(seed: 11)
        var refused = 0
        for _ in 0..<4000 {
            var bytes = whole
            for _ in 0..<1 + random.next() % 4 {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            if random.next() % 8 == 0 { bytes = bytes.prefix(Int(random.next() % UInt64(bytes.count))) }
            do {
                let checkpoint = try open(bytes)
                for tensor in checkpoint.tensors.values where tensor.type.isDecodable {
                    _ = try WeightLoader(checkpoint).floats(tensor)
                }
            } catch is LoadError {
                refused += 1
            }
        }
        #expect(refused > 1000)
    }

    @Test func aPickleThatCallsIsRefused() throws {
        // The same archive with torch._utils replaced by os and system by the tensor's builder, lengths unchanged.
        var bytes = try Data(contentsOf: PickleTests.folder.appendingPathComponent("sparse_linear.pt"))
        let name = Data("_rebuild_tensor_v2".utf8)
        let range = try #require(bytes.range(of: name))
        bytes.replaceSubrange(range, with: Data("_rebuild_tensor_v9".utf8))
        let error = #expect(throws: LoadError.self) { try open(bytes) }
        #expect(error?.description.contains("_rebuild_tensor_v9") == true)
    }
}
