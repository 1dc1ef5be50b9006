internal import KVCache
internal import Models
package import TensorCore

/// Times several sequences that run side by side, on random tokens and without choosing any: what llama.cpp's
/// `batched-bench` measures.
///
/// Legend: `B` sequences, `PP` tokens of a prompt, `TG` tokens that each sequence decodes.
package final class BatchMeasurement {
    /// Seconds of one run.
    package struct Times: Sendable, Hashable {
        package var promptSeconds: Double
        package var decodeSeconds: Double

        package init(promptSeconds: Double, decodeSeconds: Double) {
            self.promptSeconds = promptSeconds
            self.decodeSeconds = decodeSeconds
        }
    }

    private let runner: DecoderRunner
    private let vocabularySize: Int
    /// Draws the token ids, which need only differ.
    private var random = SplitMix64(seed: 1)
    private var blockSize: Int { runner.cache.shape.blockSizeInTokens }

    /// Loads a model onto a backend. Blocks.
    /// - Parameters:
    ///   - sequenceCount: the largest `B` that a run will have.
    ///   - contextLength: the largest `PP + TG`.
    /// - Throws: `LoadError`, `BackendError`, `InferenceError`.
    package init(
        _ package: ModelPackage, on backend: any Backend, sequenceCount: Int, contextLength: Int,
        options: EngineOptions
    ) throws {
        var options = options
        let blockSize = options.blockSizeInTokens
        options.contextLength = contextLength
        options.cacheTokenCount = sequenceCount * ((contextLength + blockSize - 1) / blockSize * blockSize)
        options.sequenceCount = sequenceCount
        runner = try package.makeRunner(on: backend, options: options, logitRowCount: sequenceCount)
        vocabularySize = runner.model.description.vocabularySize
    }

    /// Computes the prompts, then decodes. Blocks.
    /// - Parameter sharesPrompt: one prompt is computed and all sequences go on from it.
    /// - Precondition: the sizes are within those given to `init`.
    package func run(
        sequenceCount: Int, promptCount: Int, decodeCount: Int, sharesPrompt: Bool
    ) throws -> Times {
        let tables = tables(
            sequenceCount: sequenceCount, promptCount: promptCount, decodeCount: decodeCount,
            sharesPrompt: sharesPrompt)
        let prompt = try seconds {
            try prefill(Array(tables.prefix(sharesPrompt ? 1 : sequenceCount)), tokenCount: promptCount)
            if sharesPrompt { try copyLastBlock(tables, promptCount: promptCount) }
        }
        let decode = try seconds {
            for position in promptCount..<promptCount + decodeCount {
                var batch = HostBatch()
                for table in tables { append(1, at: position, table, wantsLogits: true, to: &batch) }
                _ = try runner.run(batch)
                // In generation the next tokens would be known only now, so wait for the device.
                try runner.backend.synchronize()
            }
        }
        return Times(promptSeconds: prompt, decodeSeconds: decode)
    }

    /// The blocks of each sequence: all their own, or those that a shared prompt fills before their own.
    private func tables(
        sequenceCount: Int, promptCount: Int, decodeCount: Int, sharesPrompt: Bool
    ) -> [[Int32]] {
        let total = (promptCount + decodeCount + blockSize - 1) / blockSize
        let shared = sharesPrompt ? promptCount / blockSize : 0
        let own = total - shared
        return (0..<sequenceCount).map { sequence in
            let start = shared + sequence * own
            return (Array(0..<shared) + Array(start..<start + own)).map(Int32.init)
        }
    }

    /// The last, partly filled block of a shared prompt is copied to each sequence's first block of its own.
    private func copyLastBlock(_ tables: [[Int32]], promptCount: Int) throws {
        let index = promptCount / blockSize
        guard promptCount % blockSize > 0, tables.count > 1 else { return }
        let pairs = try runner.backend.makeTensor(
            tables.dropFirst().flatMap { [tables[0][index], $0[index]] }, [tables.count - 1, 2])
        for layer in runner.cache.layers { try runner.backend.copyBlocks(pairs, in: layer) }
    }

    /// Computes a prompt of each sequence, packed into passes as full as they may be.
    private func prefill(_ tables: [[Int32]], tokenCount: Int) throws {
        var batch = HostBatch()
        for table in tables {
            var position = 0
            while position < tokenCount {
                let count = min(tokenCount - position, runner.limits.tokenCount - batch.tokenIDs.count)
                append(count, at: position, table, wantsLogits: position + count == tokenCount, to: &batch)
                position += count
                if batch.tokenIDs.count == runner.limits.tokenCount {
                    _ = try runner.run(batch)
                    batch = HostBatch()
                }
            }
        }
        if !batch.tokenIDs.isEmpty { _ = try runner.run(batch) }
    }

    private func append(
        _ count: Int, at position: Int, _ table: [Int32], wantsLogits: Bool, to batch: inout HostBatch
    ) {
        let end = position + count
        batch.tokenIDs += random.tokens(count, vocabularySize: vocabularySize)
        for place in position..<end {
            batch.positions.append(Int32(place))
            batch.slots.append(table[place / blockSize] * Int32(blockSize) + Int32(place % blockSize))
        }
        batch.queryCounts.append(count)
        batch.contextLengths.append(end)
        batch.blockTables.append(Array(table.prefix((end + blockSize - 1) / blockSize)))
        if wantsLogits { batch.logitRows.append(Int32(batch.tokenIDs.count - 1)) }
    }

    private func seconds(_ body: () throws -> Void) throws -> Double {
        let start = ContinuousClock.now
        try body()
        try runner.backend.synchronize()
        return (ContinuousClock.now - start).seconds
    }
}
