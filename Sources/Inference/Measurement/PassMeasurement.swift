internal import Models
package import TensorCore

/// Times the two kinds of work that generation consists of, on random tokens and without choosing any: the measure that
/// llama.cpp's `llama-bench` takes.
package final class PassMeasurement {
    private let runner: DecoderRunner
    private let vocabularySize: Int
    /// Draws the token ids, which need only differ.
    private var random = SplitMix64(seed: 1)
    /// Tokens from the start of the context whose keys and values are in the cache.
    private var filledCount = 0

    /// Loads a model onto a backend. Blocks.
    /// - Parameter contextLength: the most tokens, depth included, that a measurement will reach.
    /// - Throws: `LoadError`, `BackendError`, `InferenceError`.
    package init(_ package: ModelPackage, on backend: any Backend, contextLength: Int, options: EngineOptions) throws {
        var options = options
        options.contextLength = contextLength
        options.cacheTokenCount = contextLength
        options.sequenceCount = 1
        runner = try package.makeRunner(on: backend, options: options, logitRowCount: 1)
        vocabularySize = runner.model.description.vocabularySize
    }

    /// Fills the cache up to `depth` tokens, untimed. Tokens that earlier measurements left there are used.
    package func fill(depth: Int) throws {
        guard depth > filledCount else { return }
        try prefill(tokenCount: depth - filledCount, depth: filledCount)
        try runner.backend.synchronize()
    }

    /// Seconds to compute a prompt of `tokenCount` tokens behind `depth` tokens in the cache, with the logits of its last
    /// token. Blocks.
    package func prompt(tokenCount: Int, depth: Int) throws -> Double {
        try seconds { try prefill(tokenCount: tokenCount, depth: depth) }
    }

    /// Seconds to compute `tokenCount` tokens one after another behind `depth` tokens in the cache, each with its logits.
    /// Blocks.
    package func decode(tokenCount: Int, depth: Int) throws -> Double {
        try seconds {
            for position in depth..<depth + tokenCount {
                try pass(tokenCount: 1, at: position, wantsLogits: true)
                // In generation the next token would be known only now, so wait for the device.
                try runner.backend.synchronize()
            }
        }
    }

    private func prefill(tokenCount: Int, depth: Int) throws {
        var start = 0
        while start < tokenCount {
            let count = min(runner.limits.tokenCount, tokenCount - start)
            try pass(tokenCount: count, at: depth + start, wantsLogits: start + count == tokenCount)
            start += count
        }
    }

    private func pass(tokenCount: Int, at position: Int, wantsLogits: Bool) throws {
        let tokens = random.tokens(tokenCount, vocabularySize: vocabularySize)
        var batch = runner.singleBatch(
            tokens, positions: (position..<position + tokenCount).map(Int32.init), from: position)
        if wantsLogits { batch.logitRows = [Int32(tokenCount - 1)] }
        _ = try runner.run(batch)
        filledCount = max(filledCount, position + tokenCount)
    }

    private func seconds(_ body: () throws -> Void) throws -> Double {
        let start = ContinuousClock.now
        try body()
        try runner.backend.synchronize()
        return (ContinuousClock.now - start).seconds
    }
}
