public import TensorCore

/// What one pass computes, on the host: the tokens of several sequences, one behind the other.
///
/// Legend: `S` sequences, `T` tokens, `M` blocks of the longest block table, `R` rows whose logits are wanted.
public struct HostBatch: Sendable {
    /// `[T]` token ids, each inside the vocabulary.
    public var tokenIDs: [Int32] = []
    /// `[T]` positions for the model's position embedding.
    public var positions: [Int32] = []
    /// `[T]` cache slots the tokens' keys and values go to.
    public var slots: [Int32] = []
    /// `[S]` query tokens of each sequence.
    public var queryCounts: [Int] = []
    /// `[S]` context lengths, the queries included.
    public var contextLengths: [Int] = []
    /// `[S]` block numbers of each sequence.
    public var blockTables: [[Int32]] = []
    /// `[R]` rows, in `0..<T`, ascending.
    public var logitRows: [Int32] = []
    /// `[S]` numbers of the sequences' adapters, 0 for none; empty: none has one.
    public var adapters: [Int32] = []
    /// `[S]` encoded sources; empty: the model has no encoder.
    public var sources: [SourceBlocks] = []

    public init() {}
}

/// A batch in device memory.
public struct DeviceBatch: Sendable {
    /// `[T]` int32 each.
    public let tokenIDs: Tensor
    public let positions: Tensor
    public let slots: Tensor
    public let attention: AttentionBatch
    /// The rows whose logits are wanted; `nil` where all tokens' are.
    public let selection: RowSelection?
    /// `[T, 1]` int32: the adapter of each token; `nil`: none has one.
    public let adapters: Tensor?
    /// Each token as a sequence of one query that sees all of its source; `nil`: the model has no encoder.
    public let sourceAttention: AttentionBatch?
    /// The contexts in plain rows, where the model asks for them.
    public let histories: [TargetHistory]

    public var tokenCount: Int { attention.tokenCount }
}

/// Some of a batch's rows, as a batch of their own: each row is a sequence of one query whose context ends with it.
public struct RowSelection: Sendable {
    /// `[R]` int32, ascending.
    public let rows: Tensor
    public let attention: AttentionBatch
    /// `[R, 1]` int32: the adapter of each row; `nil`: none has one.
    public let adapters: Tensor?
}

/// Uploads batches with one write each, into memory allocated once.
public final class BatchUploader: Sendable {
    private let backend: any Backend
    private let buffer: any DeviceBuffer
    private let capacity: Int
    private let target: TargetPlan?

    /// How batches of the decoder of an encoder-decoder are uploaded.
    public struct TargetPlan: Sendable {
        /// Contexts are gathered in groups of so many tokens; 0: not at all.
        public var historyTokenCount: Int
        public var headCount: Int
        public var blockSizeInTokens: Int

        public init(historyTokenCount: Int, headCount: Int, blockSizeInTokens: Int) {
            self.historyTokenCount = historyTokenCount
            self.headCount = headCount
            self.blockSizeInTokens = blockSizeInTokens
        }
    }

    /// - Parameters:
    ///   - tokenCount, sequenceCount, logitRowCount: the largest batch.
    ///   - blockCount: the longest block table.
    ///   - target: `nil`: the model has no encoder.
    public init(
        backend: any Backend, tokenCount: Int, sequenceCount: Int, blockCount: Int, logitRowCount: Int,
        target: TargetPlan? = nil
    ) throws {
        self.backend = backend
        self.target = target
        // Token words, the table of the sequences, and the selected rows with theirs.
        let sequenceWords = sequenceCount + 1 + sequenceCount * (1 + blockCount)
        var capacity = 4 * tokenCount + sequenceWords + 3 * logitRowCount + 1 + logitRowCount * (1 + blockCount)
        if let target {
            // Each token's source; then the histories, their ranges and their offsets.
            capacity += tokenCount + 1 + tokenCount * (1 + blockCount) + 4 * sequenceCount
            if target.historyTokenCount > 0 {
                capacity += sequenceCount * blockCount * target.blockSizeInTokens * target.headCount
            }
        }
        self.capacity = capacity
        buffer = try backend.makeBuffer(byteCount: capacity * MemoryLayout<Int32>.size)
    }

    /// - Throws: `BackendError.limitExceeded` where the batch is larger than planned.
    public func upload(_ batch: HostBatch) throws -> DeviceBatch {
        let tokenCount = batch.tokenIDs.count
        precondition(batch.queryCounts.reduce(0, +) == tokenCount, "the queries of the sequences are not the tokens")
        var words = BatchWords(capacity: capacity)
        let tokens = words.append(batch.tokenIDs)
        let positions = words.append(batch.positions)
        let slots = words.append(batch.slots)
        let sequences = words.append(
            queryCounts: batch.queryCounts, contextLengths: batch.contextLengths, tables: batch.blockTables)
        // Every row in order is what the layers compute anyway.
        let selected = batch.logitRows.count < tokenCount ? batch.selectedSequences() : nil
        let rows = words.append(selected == nil ? [] : batch.logitRows)
        let selection = selected.map {
            words.append(queryCounts: $0.queryCounts, contextLengths: $0.contextLengths, tables: $0.blockTables)
        }
        let adapters = batch.adapters.contains { $0 != 0 } ? batch.adapters : []
        let tokenAdapters = words.append(
            zip(adapters, batch.queryCounts).flatMap { Array(repeating: $0.0, count: $0.1) })
        let rowAdapters = words.append(
            adapters.isEmpty ? [] : selected?.sequences.map { adapters[$0] } ?? [])
        let sources = batch.sources.isEmpty ? nil : words.append(sourcesOf: batch)
        let histories = target.map { words.append(historiesOf: batch, $0) } ?? []
        guard words.values.count <= capacity else {
            throw BackendError.limitExceeded(
                op: "batch", limit: "input words", maximum: capacity, found: words.values.count)
        }
        try words.values.withUnsafeBytes { try backend.write($0, to: view(0..<words.values.count)) }
        return DeviceBatch(
            tokenIDs: view(tokens), positions: view(positions), slots: view(slots), attention: attention(sequences),
            selection: selection.map {
                RowSelection(
                    rows: view(rows), attention: attention($0),
                    adapters: rowAdapters.isEmpty ? nil : view(rowAdapters, [rowAdapters.count, 1]))
            },
            adapters: tokenAdapters.isEmpty ? nil : view(tokenAdapters, [tokenAdapters.count, 1]),
            sourceAttention: sources.map { attention($0) }, histories: histories.map { history($0) })
    }

    private func history(_ words: BatchWords.History) -> TargetHistory {
        TargetHistory(
            rows: words.tokens, cacheRows: view(words.cacheRows),
            attention: EncoderAttentionBatch(
                queryOffsets: view(words.offsets), keyRanges: view(words.ranges, [words.ranges.count / 2, 2]),
                tokenCount: words.tokens.count, maxQueryCount: words.maxQueryCount, maxKeyCount: words.maxKeyCount))
    }

    private func view(_ range: Range<Int>, _ shape: Shape? = nil) -> Tensor {
        Tensor(
            buffer: buffer, byteOffset: range.lowerBound * MemoryLayout<Int32>.size, dtype: .int32,
            shape: shape ?? [range.count])
    }

    private func attention(_ sequences: BatchWords.Sequences) -> AttentionBatch {
        AttentionBatch(
            queryOffsets: view(sequences.offsets), contextLengths: view(sequences.lengths),
            blockTables: view(sequences.tables, [sequences.lengths.count, sequences.blockCount]),
            tokenCount: sequences.tokenCount, maxQueryCount: sequences.maxQueryCount,
            maxContextLength: sequences.maxContextLength)
    }
}

/// The words of a batch, one behind the other, and where each part lies.
private struct BatchWords {
    /// Where the description of some sequences lies, with what the host must know of it.
    struct Sequences {
        var offsets = 0..<0
        var lengths = 0..<0
        var tables = 0..<0
        var blockCount = 0
        var tokenCount = 0
        var maxQueryCount = 0
        var maxContextLength = 0
    }

    /// Where the words of a `TargetHistory` lie.
    struct History {
        /// The batch's rows.
        var tokens = 0..<0
        var cacheRows = 0..<0
        var offsets = 0..<0
        var ranges = 0..<0
        var maxQueryCount = 0
        var maxKeyCount = 0
    }

    private(set) var values: [Int32] = []

    init(capacity: Int) { values.reserveCapacity(capacity) }

    mutating func append(_ words: [Int32]) -> Range<Int> {
        values += words
        return values.count - words.count..<values.count
    }

    mutating func append(queryCounts: [Int], contextLengths: [Int], tables: [[Int32]]) -> Sequences {
        var result = Sequences()
        var offsets: [Int32] = [0]
        for count in queryCounts {
            result.tokenCount += count
            offsets.append(Int32(result.tokenCount))
        }
        result.offsets = append(offsets)
        result.lengths = append(contextLengths.map(Int32.init))
        result.blockCount = tables.reduce(1) { max($0, $1.count) }
        let start = values.count
        for table in tables {
            values += table
            values += repeatElement(0, count: result.blockCount - table.count)
        }
        result.tables = start..<values.count
        result.maxQueryCount = queryCounts.max() ?? 0
        result.maxContextLength = contextLengths.max() ?? 0
        return result
    }
}

extension BatchWords {
    /// Each token as a sequence of one query whose context is its source.
    mutating func append(sourcesOf batch: HostBatch) -> Sequences {
        let perToken = zip(batch.sources, batch.queryCounts).flatMap { Array(repeating: $0.0, count: $0.1) }
        return append(
            queryCounts: Array(repeating: 1, count: perToken.count), contextLengths: perToken.map(\.tokenCount),
            tables: perToken.map(\.blocks))
    }

    mutating func append(historiesOf batch: HostBatch, _ plan: BatchUploader.TargetPlan) -> [History] {
        guard plan.historyTokenCount > 0 else { return [] }
        var firstToken = 0
        return batch.historyGroups(tokenCount: plan.historyTokenCount).map { group in
            var result = History()
            var (offsets, ranges, rows): ([Int32], [Int32], [Int32]) = ([0], [], [])
            for sequence in group {
                offsets.append((offsets.last ?? 0) + Int32(batch.queryCounts[sequence]))
                ranges.append(Int32(rows.count / plan.headCount))
                rows += batch.historyRows(
                    of: sequence, headCount: plan.headCount, blockSizeInTokens: plan.blockSizeInTokens)
                ranges.append(Int32(rows.count / plan.headCount))
            }
            let count = Int(offsets.last ?? 0)
            result.tokens = firstToken..<firstToken + count
            firstToken += count
            (result.offsets, result.ranges, result.cacheRows) = (append(offsets), append(ranges), append(rows))
            result.maxQueryCount = batch.queryCounts[group].max() ?? 0
            result.maxKeyCount = batch.contextLengths[group].max() ?? 0
            return result
        }
    }
}

extension HostBatch {
    /// The selected rows as sequences of one query each.
    fileprivate func selectedSequences() -> (
        queryCounts: [Int], contextLengths: [Int], blockTables: [[Int32]], sequences: [Int]
    ) {
        var sequence = 0
        var firstRow = 0
        var lengths: [Int] = []
        var tables: [[Int32]] = []
        var sequences: [Int] = []
        for row in logitRows.map(Int.init) {
            while row >= firstRow + queryCounts[sequence] {
                firstRow += queryCounts[sequence]
                sequence += 1
            }
            lengths.append(contextLengths[sequence] - queryCounts[sequence] + (row - firstRow) + 1)
            tables.append(blockTables[sequence])
            sequences.append(sequence)
        }
        return (Array(repeating: 1, count: lengths.count), lengths, tables, sequences)
    }
}
