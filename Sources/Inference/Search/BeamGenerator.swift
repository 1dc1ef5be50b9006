internal import KVCache
internal import Models
public import TensorCore

/// A continuation found by beam search.
public struct BeamContinuation: Sendable, Hashable {
    /// The new tokens, without one that ends texts.
    public var tokens: [Int]
    /// The sum of the log-probabilities of its tokens, the token that ends the text included, over their number to the
    /// power of the length penalty; `nil` where one beam was searched.
    public var score: Double?
    /// Whether the text ended by itself rather than by its length.
    public var isComplete: Bool
}

/// Continues a prompt by beam search. Texts with the same beginning share blocks of the paged cache until one of them
/// writes into a shared block, which is then copied.
public final class BeamGenerator {
    private let runner: DecoderRunner
    private let rules: SearchRules
    private let prompt: [Int]
    private var pool: BlockPool
    private let vocabularySize: Int

    /// Loads a model for one prompt. Blocks.
    /// - Parameter search: what is left out is as the model's `generation_config.json` says.
    /// - Throws: `InferenceError`, `LoadError`, `BackendError`.
    public init(
        _ package: ModelPackage, on backend: any Backend, prompt: [Int], search: SearchOptions,
        ignoresEndOfSequence: Bool = false, options: EngineOptions = EngineOptions()
    ) throws {
        let description = try package.describe()
        try package.requireHead()
        vocabularySize = description.vocabularySize
        guard !prompt.isEmpty else { throw InferenceError.emptyPrompt }
        if let id = prompt.first(where: { !(0..<description.vocabularySize).contains($0) }) {
            throw InferenceError.tokenOutOfRange(id: id, vocabularySize: description.vocabularySize)
        }
        let context = min(options.contextLength ?? description.maxContextLength, description.maxContextLength)
        guard prompt.count < context else {
            throw InferenceError.contextLengthExceeded(promptTokenCount: prompt.count, contextLength: context)
        }
        rules = try SearchRules(
            search, package.generation, endTokens: ignoresEndOfSequence ? [] : package.endOfSequenceTokens,
            vocabularySize: vocabularySize, limit: context - prompt.count, promptCount: prompt.count)
        self.prompt = prompt
        var options = options
        let blockSize = options.blockSizeInTokens
        let beamBlocks = (rules.maximumLength - prompt.count) / blockSize + 2
        // The prompt's blocks are shared. While beams are replaced, the old and the new ones both hold blocks.
        let blockCount = (prompt.count + blockSize - 1) / blockSize + 2 * rules.beamCount * beamBlocks
        options.contextLength = rules.maximumLength
        options.cacheTokenCount = blockCount * blockSize
        options.sequenceCount = rules.beamCount
        runner = try package.makeRunner(on: backend, options: options, logitRowCount: rules.beamCount)
        pool = BlockPool(blockCount: runner.cache.shape.blockCount, blockSizeInTokens: blockSize)
    }

    /// The continuations, best first. Blocks.
    /// - Throws: `InferenceError.nonFiniteLogits`, `BackendError`.
    public func run() throws -> [BeamContinuation] {
        var search = BeamSearch(prompt: prompt, rules: rules, source: prompt)
        var tables = [try prefill()]
        defer { for index in tables.indices { tables[index].release(to: &pool) } }
        while !search.isOver {
            let logits = try step(search.running, &tables)
            let rows = logits.indices.map { logits[$0][...] }
            guard rows.allSatisfy({ ($0.max() ?? 0).isFinite }) else {
                throw InferenceError.nonFiniteLogits(step: search.running[0].tokens.count - prompt.count)
            }
            search.advance(rows, rows: rows.indices.map(Int32.init))
            // Each beam continues a copy of its parent's block table.
            let parents = search.running.map { Int($0.rows.last ?? 0) }
            let next = parents.map { tables[$0].fork(in: &pool) }
            for index in tables.indices { tables[index].release(to: &pool) }
            tables = next
        }
        return search.finished.prefix(rules.resultCount).map { found in
            let tokens = Array(found.tokens.dropFirst(prompt.count))
            let kept = Array(tokens.prefix { !rules.endTokens.contains($0) })
            return BeamContinuation(tokens: kept, score: found.score, isComplete: kept.count < tokens.count)
        }
    }

    /// Computes all of the prompt but its last token.
    private func prefill() throws -> BlockTable {
        var table = BlockTable()
        var position = 0
        while position < prompt.count - 1 {
            let end = min(position + runner.limits.tokenCount, prompt.count - 1)
            let growth = try table.append(end - position, in: &pool)
            var batch = HostBatch()
            batch.tokenIDs = prompt[position..<end].map(Int32.init)
            batch.positions = (position..<end).map(Int32.init)
            batch.slots = growth.slots
            batch.queryCounts = [end - position]
            batch.contextLengths = [end]
            batch.blockTables = [table.blocks]
            _ = try runner.run(batch)
            position = end
        }
        return table
    }

    /// Computes the last token of each beam.
    /// - Returns: `[V]` logits of each.
    private func step(_ beams: [BeamSearch.Beam], _ tables: inout [BlockTable]) throws -> [[Float]] {
        var batch = HostBatch()
        var copies: [BlockTable.BlockCopy] = []
        for (index, beam) in beams.enumerated() {
            let growth = try tables[index].append(1, in: &pool)
            copies += growth.copies
            batch.tokenIDs.append(Int32(beam.tokens[beam.tokens.count - 1]))
            batch.positions.append(Int32(beam.tokens.count - 1))
            batch.slots += growth.slots
            batch.queryCounts.append(1)
            batch.contextLengths.append(beam.tokens.count)
            batch.blockTables.append(tables[index].blocks)
            batch.logitRows.append(Int32(index))
        }
        if !copies.isEmpty {
            // Targets were free before, so none is a source as well; the pass writes after the copies.
            let pairs = try runner.backend.makeTensor(copies.flatMap { [$0.from, $0.to] }, [copies.count, 2])
            for layer in runner.cache.layers { try runner.backend.copyBlocks(pairs, in: layer) }
        }
        let logits = try runner.backend.readFloats(runner.run(batch))
        return beams.indices.map { Array(logits[$0 * vocabularySize..<($0 + 1) * vocabularySize]) }
    }
}
