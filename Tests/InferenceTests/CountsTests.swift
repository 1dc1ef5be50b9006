import Foundation
import Inference
import JSONCore
import TensorCore
import TestSupport
import Testing

/// What one more token costs, exactly: a change that adds a launch a layer, a copy or an allocation a token fails here.
/// `Benchmarks/baselines/counts.json` holds the counts; `INFER_UPDATE_BASELINES=1` writes it anew, which needs the reference
/// material.
@Suite("Counts", .serialized)
struct CountsTests {
    private static let file = ReferenceMaterial.packageRoot.appendingPathComponent("Benchmarks/baselines/counts.json")

    private static let names = ["launches", "synchronizations", "allocations", "bytes_written", "bytes_read", "builds"]

    private static func values(_ counters: BackendCounters) -> [Int] {
        [
            counters.launches, counters.synchronizations, counters.allocations, counters.bytesWritten,
            counters.bytesRead, counters.programBuilds,
        ]
    }

    /// The counts of a prompt of 8 tokens with its first token, and of each further token.
    private func measure(_ model: ReferenceModel, on backend: any Backend) async throws -> (prompt: [Int], token: [Int])
    {
        let engine = try await Engine(try model.package(), on: backend)
        func run(_ prompt: [Int], _ count: Int) async throws -> [Int] {
            let before = Self.values(backend.counters)
            let request = GenerationRequest(promptTokens: prompt, maxTokens: count, ignoresEndOfSequence: true)
            _ = try await collect(try engine.generate(request))
            return zip(Self.values(backend.counters), before).map { $0 - $1 }
        }
        // Programs are compiled at the first use; prompts differ, so that no prefix is shared.
        _ = try await run(Array(20..<28), 3)
        let prompt = try await run(Array(40..<48), 1)
        let few = try await run(Array(60..<68), 3)
        let many = try await run(Array(80..<88), 7)
        let perToken = zip(many, few).map { ($0 - $1) / 4 }
        #expect(zip(many, few).allSatisfy { ($0 - $1) % 4 == 0 }, "every token costs the same")
        return (prompt, perToken)
    }

    @Test("a token costs what the baseline says")
    func counts() async throws {
        var found: [(key: String, counts: [Int])] = []
        for device in InferenceDevice.fast {
            let kind = device.name == "cpu" ? "cpu" : "opencl"
            for model in ReferenceModel.all {
                let (prompt, token) = try await measure(model, on: device.make())
                found.append(("\(model.name), \(kind), prompt of 8", prompt))
                found.append(("\(model.name), \(kind), token", token))
            }
        }
        if ProcessInfo.processInfo.environment["INFER_UPDATE_BASELINES"] == "1" { try write(found) }
        let root = try JSONDocument(parsing: [UInt8](Data(contentsOf: Self.file)), source: "counts.json").root
        for (key, counts) in found {
            let baseline = try #require(root[key], "the baseline has no '\(key)'")
            for (name, count) in zip(Self.names, counts) {
                let expected = baseline[name]?.int ?? -1
                #expect(count == expected, "\(key): \(count) \(name), baseline \(expected)")
            }
        }
    }

    private func write(_ found: [(key: String, counts: [Int])]) throws {
        let lines = found.map { key, counts in
            let members = zip(Self.names, counts).map { "\"\($0)\": \($1)" }.joined(separator: ", ")
            return "  \"\(key)\": {\(members)}"
        }
        try Data(("{\n" + lines.joined(separator: ",\n") + "\n}\n").utf8).write(to: Self.file)
    }
}
