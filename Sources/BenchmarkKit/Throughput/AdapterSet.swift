package import CommandSupport
import Foundation
package import Inference
import ModelIO
import Models
import TensorCore

/// What adapters that requests name cost: sequences that decode together, each with an adapter of its own, against the
/// same sequences without any.
package struct AdapterSet: Sendable, Hashable {
    /// Sequences, and adapters.
    package let count: Int
    package let rank: Int
    package let tokenCount: Int
    /// Pairs of runs, with adapters and without in turn.
    package let rounds: Int

    package init(count: Int, rank: Int, tokenCount: Int = 64, rounds: Int = 5) {
        self.count = count
        self.rank = rank
        self.tokenCount = tokenCount
        self.rounds = rounds
    }

    /// Decoded tokens a second of all sequences together.
    package struct Result: Sendable, Hashable {
        package var plain = SampleStatistics([])
        package var adapted = SampleStatistics([])
        /// Adapted over plain, of each pair.
        package var ratios = SampleStatistics([])
    }

    /// The layers' matrices by the names of the hub's checkpoints.
    private static let targets = [
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "qkv_proj", "gate_up_proj",
        "c_attn", "c_proj", "c_fc", "query_key_value", "dense_h_to_4h", "dense_4h_to_h",
    ]

    /// The package with adapters of random numbers for every matrix of its layers, called 0, 1, …
    /// - Throws: `BenchmarkError.noAdapters` where none of its matrices is known.
    package func offer(_ package: ModelPackage) throws -> ModelPackage {
        let isTransposed = package.configuration.modelType == "gpt2"
        let matrices = package.checkpoint.tensors.compactMap {
            name, tensor -> (name: String, rows: Int, columns: Int)? in
            let parts = name.split(separator: ".")
            guard parts.last == "weight", tensor.shape.rank == 2, parts.count > 2,
                AdapterSet.targets.contains(String(parts[parts.count - 2]))
            else { return nil }
            let (rows, columns) = (tensor.shape[isTransposed ? 1 : 0], tensor.shape[isTransposed ? 0 : 1])
            return (String(name.dropLast(".weight".count)), rows, columns)
        }
        guard !matrices.isEmpty else { throw BenchmarkError.noAdapters(model: package.name) }
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("infer-adapters-\(UUID().uuidString)")
        // The files stay mapped after their names are gone.
        defer { try? FileManager.default.removeItem(at: folder) }
        var random = SplitMix64(seed: 83)
        let adapters = try (0..<count).map { index in
            var writer = SafetensorsWriter()
            for matrix in matrices {
                let shapes: [(String, Shape)] = [("A", [rank, matrix.columns]), ("B", [matrix.rows, rank])]
                for (part, shape) in shapes {
                    let values = (0..<shape.elementCount).map { _ in
                        Float(random.next() >> 40) / Float(1 << 24) * 0.02 - 0.01
                    }
                    writer.add("base_model.model.\(matrix.name).lora_\(part).weight", values, shape: shape)
                }
            }
            let place = folder.appendingPathComponent("\(index)")
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            try writer.write(to: place.appendingPathComponent("adapter_model.safetensors").path)
            let settings = """
                {"peft_type": "LORA", "lora_alpha": \(rank), "r": \(rank), "fan_in_fan_out": \(isTransposed)}
                """
            try Data(settings.utf8).write(to: place.appendingPathComponent("adapter_config.json"))
            return NamedAdapter(name: "\(index)", adapter: try LoRAAdapter(path: place.path))
        }
        return try package.offering(adapters)
    }

    /// - Parameter engine: of a package that ``offer(_:)`` made.
    /// - Throws: `InferenceError`, `BackendError`.
    package func run(on engine: Engine) async throws -> Result {
        var random = SplitMix64(seed: 84)
        let size = engine.description.vocabularySize
        var (plain, adapted, ratios): ([Double], [Double], [Double]) = ([], [], [])
        for round in 0...rounds {
            var rates: [Double] = []
            for isAdapted in [false, true] {
                let requests = (0..<count).map { index in
                    GenerationRequest(
                        promptTokens: random.tokens(16, vocabularySize: size).map(Int.init), maxTokens: tokenCount,
                        ignoresEndOfSequence: true, adapter: isAdapted ? "\(index)" : nil)
                }
                rates.append(AdapterSet.rate(try await engine.results(of: requests)))
            }
            // The first round warms up.
            guard round > 0 else { continue }
            plain.append(rates[0])
            adapted.append(rates[1])
            ratios.append(rates[1] / rates[0])
        }
        return Result(
            plain: SampleStatistics(plain), adapted: SampleStatistics(adapted), ratios: SampleStatistics(ratios))
    }

    /// From when all sequences decode until the last one ends.
    private static func rate(_ results: [GenerationResult]) -> Double {
        let seconds = results.map(\.timings.totalSeconds).max() ?? 0
        let first = results.map(\.timings.timeToFirstTokenSeconds).max() ?? 0
        return Double(results.reduce(0) { $0 + $1.tokenCount - 1 }) / max(seconds - first, 1e-9)
    }

    package func row(_ result: Result, _ description: RunDescription) -> TableRow {
        var row = TableRow()
        row.add("suite", "adapters")
        description.addFields(to: &row)
        row.add("adapters", count)
        row.add("rank", rank)
        row.add("plain_tokens_per_s", result.plain.median)
        row.add("adapted_tokens_per_s", result.adapted.median)
        row.add("ratio", result.ratios.median)
        row.add("ratios", result.ratios.sorted)
        row.show("model", description.title)
        row.show("backend", description.backend)
        row.show(number: "adapters", "\(count)")
        row.show(number: "rank", "\(rank)")
        row.show(number: "plain t/s", fixed(result.plain.median, digits: 1))
        row.show(number: "adapted t/s", fixed(result.adapted.median, digits: 1))
        row.show(number: "cost %", fixed(100 * (1 - result.ratios.median), digits: 1))
        return row
    }
}
