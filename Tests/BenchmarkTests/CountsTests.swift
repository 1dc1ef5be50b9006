import BenchmarkKit
import Devices
import Foundation
import Inference
import Models
import TensorCore
import TestSupport
import Testing

/// What one more token costs, exactly: a change that adds a launch a layer, a copy or an allocation a token fails here.
/// `Benchmarks/baselines/counts.json` holds the counts; `bench counts --update` writes it anew.
@Suite("Counts", .serialized) struct CountsTests {
    private static let baseline = ReferenceMaterial.packageRoot.appendingPathComponent(
        "Benchmarks/baselines/counts.json")
    /// Those that travel with the package, and what the reference material adds.
    private static let folders =
        [ReferenceMaterial.locate("reference/models", for: "CountsTests")?.path].compactMap { $0 }
        + [ReferenceMaterial.fixtures.appendingPathComponent("models").path]

    @Test("a token costs what the baseline says") func counts() async throws {
        let baseline = try CountsBaseline(path: Self.baseline.path)
        let models = try CountsReference.models(in: Self.folders, of: baseline)
        #expect(Set(models.map(\.name)).isSuperset(of: ["gpt2", "llama", "llama3-rope", "qwen2"]))
        let cache = FileManager.default.temporaryDirectory.appendingPathComponent("infer-test-kernels").path
        for choice in DeviceSelection.availableChoices() {
            for model in models {
                let device = try DeviceSelection.makeBackend(choice, environment: ["XDG_CACHE_HOME": cache])
                let measured = try await CountsMeasurement(ModelPackage(path: model.path), on: device.backend)
                #expect(measured.isUniform, "every token costs the same")
                for line in baseline.differences(
                    measured.entries(model: model.name, device: choice == .cpu ? "cpu" : "opencl"))
                {
                    Issue.record("\(line)")
                }
            }
        }
    }

    @Test("a count that differs is named with both numbers") func differences() throws {
        let text =
            #"{"m, cpu, token": {"launches": 21, "synchronizations": 0, "allocations": 0, "bytes_written": 28, "#
            + #""bytes_read": 8, "builds": 0}}"#
        let baseline = try CountsBaseline(parsing: Array(text.utf8), source: "b.json")
        func entry(_ key: String, _ counts: [Int]) -> CountsBaseline.Entry {
            CountsBaseline.Entry(key: key, counts: counts)
        }
        #expect(baseline.differences([entry("m, cpu, token", [21, 0, 0, 28, 8, 0])]).isEmpty)
        #expect(
            baseline.differences([entry("m, cpu, token", [22, 0, 1, 28, 8, 0])])
                == ["m, cpu, token: 22 launches, baseline 21", "m, cpu, token: 1 allocations, baseline 0"])
        #expect(
            baseline.differences([entry("n, cpu, token", [1, 0, 0, 0, 0, 0])]) == ["n, cpu, token: not in the baseline"]
        )
    }

    @Test("a baseline that cannot be read is named") func missing() {
        #expect(throws: BenchmarkError.unreadableBaseline(path: "/no/baseline.json")) {
            _ = try CountsBaseline(path: "/no/baseline.json")
        }
    }

    @Test("what is written reads back") func roundTrip() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("counts-\(UUID().uuidString).json")
            .path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let entries = [CountsBaseline.Entry(key: "m, cpu, token", counts: [1, 2, 3, 4, 5, 6])]
        try CountsBaseline.write(entries, to: path)
        #expect(try CountsBaseline(path: path).differences(entries).isEmpty)
    }
}
