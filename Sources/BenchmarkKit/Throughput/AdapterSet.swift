package import CommandSupport
import Foundation
package import Inference
import ModelIO
import Models
package import TensorCore

/// What adapters that requests name cost: sequences that decode together, each with an adapter of its own, against the
/// same sequences without any.
package struct AdapterSet: Sendable, Hashable {
    /// Sequences, and adapters.
    package let count: Int
    package let rank: Int
    /// Of the numbers in the adapters' files: float32, bfloat16 or float16.
    package let format: WeightFormat
    package let tokenCount: Int
    package let promptCount: Int
    /// Pairs of runs, with adapters and without in turn.
    package let rounds: Int

    package init(
        count: Int, rank: Int, format: WeightFormat = .float32, tokenCount: Int = 64, promptCount: Int = 128,
        rounds: Int = 5
    ) {
        self.count = count
        self.rank = rank
        self.format = format
        self.tokenCount = tokenCount
        self.promptCount = promptCount
        self.rounds = rounds
    }

    /// Tokens a second of all sequences together, of the prompts and of decoding.
    package struct Result: Sendable, Hashable {
        package var prompts = Pairs()
        package var decoding = Pairs()
    }

    package struct Pairs: Sendable, Hashable {
        package var plain = SampleStatistics([])
        package var adapted = SampleStatistics([])
        /// Adapted over plain, of each pair.
        package var ratios = SampleStatistics([])

        package init(_ rates: [(plain: Double, adapted: Double)] = []) {
            plain = SampleStatistics(rates.map(\.plain))
            adapted = SampleStatistics(rates.map(\.adapted))
            ratios = SampleStatistics(rates.map { $0.adapted / $0.plain })
        }

        var cost: String { fixed(100 * (1 - ratios.median), digits: 1) }
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
                    add(values, shape, as: "base_model.model.\(matrix.name).lora_\(part).weight", to: &writer)
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

    private func add(_ values: [Float], _ shape: Shape, as name: String, to writer: inout SafetensorsWriter) {
        switch format {
        case .bfloat16:
            let halves = [UInt16](unsafeUninitializedCapacity: values.count) { halves, count in
                values.withUnsafeBufferPointer { source in
                    guard let start = source.baseAddress, let target = halves.baseAddress else { return }
                    ElementConversion.encodeBFloat16(start, count: values.count, into: target)
                }
                count = values.count
            }
            writer.add(name, type: .bfloat16, shape: shape, bytes: halves.withUnsafeBytes { [UInt8]($0) })
        case .float16:
            let halves = values.map(ElementConversion.half)
            writer.add(name, type: .float16, shape: shape, bytes: halves.withUnsafeBytes { [UInt8]($0) })
        default: writer.add(name, values, shape: shape)
        }
    }

    /// - Parameter engine: of a package that ``offer(_:)`` made.
    /// - Throws: `InferenceError`, `BackendError`.
    package func run(on engine: Engine) async throws -> Result {
        var random = SplitMix64(seed: 84)
        let size = engine.description.vocabularySize
        var (prompts, decoding): ([(plain: Double, adapted: Double)], [(plain: Double, adapted: Double)]) = ([], [])
        for round in 0...rounds {
            var rates: [(prompts: Double, decoding: Double)] = []
            for isAdapted in [false, true] {
                let requests = (0..<count).map { index in
                    GenerationRequest(
                        promptTokens: random.tokens(promptCount, vocabularySize: size).map(Int.init),
                        maxTokens: tokenCount,
                        ignoresEndOfSequence: true, adapter: isAdapted ? "\(index)" : nil)
                }
                rates.append(rate(try await engine.results(of: requests)))
            }
            // The first round warms up.
            guard round > 0 else { continue }
            prompts.append((rates[0].prompts, rates[1].prompts))
            decoding.append((rates[0].decoding, rates[1].decoding))
        }
        return Result(prompts: Pairs(prompts), decoding: Pairs(decoding))
    }

    /// Until all sequences decode, and from then until the last one ends.
    private func rate(_ results: [GenerationResult]) -> (prompts: Double, decoding: Double) {
        let seconds = results.map(\.timings.totalSeconds).max() ?? 0
        let first = results.map(\.timings.timeToFirstTokenSeconds).max() ?? 0
        return (
            Double(count * promptCount) / max(first, 1e-9),
            Double(results.reduce(0) { $0 + $1.tokenCount - 1 }) / max(seconds - first, 1e-9)
        )
    }

    package func row(_ result: Result, _ description: RunDescription) -> TableRow {
        var row = TableRow()
        row.add("suite", "adapters")
        description.addFields(to: &row)
        row.add("adapters", count)
        row.add("rank", rank)
        row.add("adapter_format", "\(format)")
        for (test, pairs) in [("prompt_", result.prompts), ("", result.decoding)] {
            row.add("plain_\(test)tokens_per_s", pairs.plain.median)
            row.add("adapted_\(test)tokens_per_s", pairs.adapted.median)
            row.add("\(test)ratio", pairs.ratios.median)
            row.add("\(test)ratios", pairs.ratios.sorted)
        }
        row.show("model", description.title)
        row.show("backend", description.backend)
        row.show(number: "adapters", "\(count)")
        row.show(number: "rank", "\(rank)")
        row.show("numbers", "\(format)")
        row.show(number: "prompts t/s", fixed(result.prompts.plain.median, digits: 1))
        row.show(number: "adapted t/s", fixed(result.prompts.adapted.median, digits: 1))
        row.show(number: "cost %", result.prompts.cost)
        row.show(number: "decoding t/s", fixed(result.decoding.plain.median, digits: 1))
        row.show(number: "adapted t/s", fixed(result.decoding.adapted.median, digits: 1))
        row.show(number: "cost %", result.decoding.cost)
        return row
    }
}
