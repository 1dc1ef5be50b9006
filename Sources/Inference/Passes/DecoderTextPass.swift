internal import KVCache
internal import Models
internal import TensorCore

/// Runs a decoder over texts for its hidden states or the logits of some tokens, as embedders and rerankers that are
/// decoders need it. Texts share passes; each is computed from its first token on.
final class DecoderTextPass: TextPass {
    /// The result that is wanted of a text.
    enum Output: Sendable, Hashable {
        /// The hidden states of all tokens, behind the last norm.
        case allStates
        /// The hidden state of the last token.
        case lastState
        /// The last token's logits of these tokens.
        case lastLogits([Int])
    }

    /// The most tokens of a text where the caller gives no limit: the cache has room for as many.
    static let usualTokenCount = 8192
    private static let passSequenceCount = 32

    private let runner: DecoderRunner
    private let output: Output
    private let vocabularySize: Int
    private let longest: Int

    init(
        _ package: ModelPackage, on backend: any Backend, longest: Int, output: Output, options: EngineOptions
    ) throws {
        let description = try package.describe()
        vocabularySize = description.vocabularySize
        self.output = output
        self.longest = longest
        var options = options
        options.contextLength = max(longest, 1)
        // Texts are read once, so a cache in fewer bits would save no time.
        options.cacheType = options.cacheType ?? .float32
        options.sequenceCount = DecoderTextPass.passSequenceCount
        // Each text begins a new block.
        options.cacheTokenCount =
            max(longest, options.passTokenCount) + options.sequenceCount * options.blockSizeInTokens
        runner = try package.makeRunner(
            on: backend, options: options, logitRowCount: DecoderTextPass.passSequenceCount)
    }

    func run(_ inputs: [EncoderInput]) throws -> [EncoderResult] {
        var values: [[Float]] = []
        var start = 0
        while start < inputs.count {
            var end = start
            var tokenCount = 0
            while end < inputs.count, end - start < DecoderTextPass.passSequenceCount {
                try check(inputs[end], row: end)
                tokenCount += inputs[end].tokens.count
                if end > start, tokenCount > runner.limits.tokenCount { break }
                end += 1
            }
            values += try end == start + 1 ? [long(inputs[start].tokens)] : together(inputs[start..<end].map(\.tokens))
            start = end
        }
        let isLogits = if case .lastLogits = output { true } else { false }
        return [
            EncoderResult(
                name: isLogits ? "logits" : "last_hidden_state", rows: output == .allStates ? .tokens : .sequences,
                width: width, isScalar: false, values: values)
        ]
    }

    private var width: Int {
        if case .lastLogits(let tokens) = output { tokens.count } else { runner.model.description.hiddenSize }
    }

    private func check(_ input: EncoderInput, row: Int) throws {
        guard !input.tokens.isEmpty else { throw InferenceError.emptyText }
        guard input.tokens.count <= longest else {
            throw InferenceError.rowTooLong(row: row, tokenCount: input.tokens.count, maximum: longest)
        }
        if let id = input.tokens.first(where: { !(0..<vocabularySize).contains($0) }) {
            throw InferenceError.tokenOutOfRange(id: id, vocabularySize: vocabularySize)
        }
    }

    /// Texts in one pass.
    private func together(_ texts: [[Int]]) throws -> [[Float]] {
        let blockSize = runner.cache.shape.blockSizeInTokens
        var batch = HostBatch()
        var block: Int32 = 0
        for tokens in texts {
            let blocks = (0..<Int32((tokens.count + blockSize - 1) / blockSize)).map { block + $0 }
            let first = block * Int32(blockSize)
            batch.tokenIDs += tokens.map(Int32.init)
            batch.positions += (0..<Int32(tokens.count)).map { $0 }
            batch.slots += (0..<Int32(tokens.count)).map { first + $0 }
            batch.queryCounts.append(tokens.count)
            batch.contextLengths.append(tokens.count)
            batch.blockTables.append(blocks)
            block += Int32(blocks.count)
        }
        var end = 0
        for tokens in texts {
            end += tokens.count
            batch.logitRows +=
                output == .allStates ? (Int32(end - tokens.count)..<Int32(end)).map { $0 } : [Int32(end - 1)]
        }
        let rows = try values(of: batch)
        guard output == .allStates else {
            return texts.indices.map { Array(rows[$0 * width..<($0 + 1) * width]) }
        }
        var start = 0
        return texts.map { tokens in
            defer { start += tokens.count * width }
            return Array(rows[start..<start + tokens.count * width])
        }
    }

    /// One text in as many passes as it takes.
    private func long(_ tokens: [Int]) throws -> [Float] {
        var values: [Float] = []
        var position = 0
        while position < tokens.count {
            let end = min(position + runner.limits.tokenCount, tokens.count)
            var batch = runner.singleBatch(
                tokens[position..<end].map(Int32.init), positions: (Int32(position)..<Int32(end)).map { $0 },
                from: position)
            let count = Int32(end - position)
            if output == .allStates {
                batch.logitRows = (0..<count).map { $0 }
            } else if end == tokens.count {
                batch.logitRows = [count - 1]
            }
            values += try self.values(of: batch)
            position = end
        }
        return values
    }

    /// The result that is wanted of the batch's rows.
    private func values(of batch: HostBatch) throws -> [Float] {
        guard case .lastLogits(let tokens) = output else {
            return try runner.hiddenStates(batch).map { try runner.backend.readFloats($0) } ?? []
        }
        let rows = try runner.run(batch)
        guard !batch.logitRows.isEmpty else { return [] }
        let logits = try runner.backend.readFloats(rows)
        return batch.logitRows.indices.flatMap { row in tokens.map { logits[row * vocabularySize + $0] } }
    }
}
