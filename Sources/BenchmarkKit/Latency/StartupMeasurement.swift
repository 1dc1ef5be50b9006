package import CommandSupport
package import Inference
import Models
package import TensorCore

/// What a user waits for before the first token, and the memory it takes.
package struct StartupMeasurement: Sendable {
    /// From opening the files to an engine that takes requests: weights prepared, cache allocated.
    package var loadSeconds: Double
    /// From the first request that the process serves to its first token: kernels are compiled or read from their cache,
    /// mapped weights are read.
    package var coldFirstTokenSeconds: Double
    /// The same for later requests.
    package var warmFirstTokenSeconds: SampleStatistics
    /// The largest resident size of the process so far.
    package var peakByteCount: Int
    /// The model that was loaded.
    package var model: ModelPackage

    /// Loads a model and asks for one token behind random prompts, which share no prefix. Blocks.
    package static func measure(
        _ source: BenchModelSource, on backend: any Backend, options: EngineOptions, promptTokenCount: Int,
        repetitions: Int
    ) async throws -> StartupMeasurement {
        // Making random weights is no part of loading them.
        let made: ModelPackage? = if case .synthetic = source { try source.open() } else { nil }
        let started = ContinuousClock.now
        let package = try made ?? source.open()
        var options = options
        options.weightFormat = source.weightFormat
        options.contextLength = promptTokenCount + 1
        let engine = try await Engine(package, on: backend, options: options)
        let loadSeconds = (ContinuousClock.now - started).seconds
        var random = SplitMix64(seed: 11)
        var seconds: [Double] = []
        for _ in 0...repetitions {
            let tokens = random.tokens(promptTokenCount, vocabularySize: engine.description.vocabularySize)
            let request = GenerationRequest(
                promptTokens: tokens.map(Int.init), maxTokens: 1, ignoresEndOfSequence: true)
            for try await update in try engine.generate(request) {
                if let result = update.result { seconds.append(result.timings.timeToFirstTokenSeconds) }
            }
        }
        guard let cold = seconds.first else {
            throw InferenceError.engineStopped(reason: "the stream ended without a result")
        }
        return StartupMeasurement(
            loadSeconds: loadSeconds, coldFirstTokenSeconds: cold,
            warmFirstTokenSeconds: SampleStatistics(Array(seconds.dropFirst())), peakByteCount: PeakMemory.byteCount(),
            model: package)
    }

    package func row(_ description: RunDescription, promptTokenCount: Int) -> TableRow {
        var row = TableRow()
        row.add("suite", "startup")
        description.addFields(to: &row)
        row.add("n_prompt", promptTokenCount)
        row.add("load_seconds", loadSeconds)
        row.add("ttft_cold_seconds", coldFirstTokenSeconds)
        row.add("ttft_warm_seconds", warmFirstTokenSeconds.median)
        row.add("peak_memory_bytes", peakByteCount)
        description.addCells(to: &row)
        row.show(number: "load ms", fixed(loadSeconds * 1e3, digits: 1))
        row.show(number: "first token cold ms", fixed(coldFirstTokenSeconds * 1e3, digits: 1))
        row.show(number: "warm ms", fixed(warmFirstTokenSeconds.median * 1e3, digits: 1))
        row.show(number: "peak MiB", fixed(Double(peakByteCount) / 1_048_576, digits: 0))
        return row
    }
}
