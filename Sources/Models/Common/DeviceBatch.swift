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
    /// `[R]` rows, in `0..<T`.
    public var logitRows: [Int32] = []

    public init() {}
}

/// A batch in device memory.
public struct DeviceBatch: Sendable {
    /// `[T]` int32 each.
    public let tokenIDs: Tensor
    public let positions: Tensor
    public let slots: Tensor
    public let attention: AttentionBatch
    /// `[R]` int32.
    public let logitRows: Tensor

    public var tokenCount: Int { attention.tokenCount }
}

/// Uploads batches with one write each, into memory allocated once.
public final class BatchUploader: Sendable {
    private let backend: any Backend
    private let buffer: any DeviceBuffer
    private let capacity: Int

    /// - Parameters:
    ///   - tokenCount, sequenceCount, logitRowCount: the largest batch.
    ///   - blockCount: the longest block table.
    public init(backend: any Backend, tokenCount: Int, sequenceCount: Int, blockCount: Int, logitRowCount: Int) throws {
        self.backend = backend
        capacity = 3 * tokenCount + (sequenceCount + 1) + sequenceCount * (1 + blockCount) + logitRowCount
        buffer = try backend.makeBuffer(byteCount: capacity * MemoryLayout<Int32>.size)
    }

    /// - Throws: `BackendError.limitExceeded` where the batch is larger than planned.
    public func upload(_ batch: HostBatch) throws -> DeviceBatch {
        let tokenCount = batch.tokenIDs.count
        let sequenceCount = batch.queryCounts.count
        let blockCount = batch.blockTables.reduce(1) { max($0, $1.count) }
        var words: [Int32] = []
        words.reserveCapacity(capacity)
        words += batch.tokenIDs
        words += batch.positions
        words += batch.slots
        let offsetsStart = words.count
        var offset: Int32 = 0
        words.append(0)
        for count in batch.queryCounts {
            offset += Int32(count)
            words.append(offset)
        }
        let lengthsStart = words.count
        words += batch.contextLengths.map(Int32.init)
        let rowsStart = words.count
        words += batch.logitRows
        let tablesStart = words.count
        for table in batch.blockTables {
            words += table
            words += repeatElement(0, count: blockCount - table.count)
        }
        precondition(words.count >= 3 * tokenCount && Int(offset) == tokenCount, "batch rows do not add up")
        guard words.count <= capacity else {
            throw BackendError.limitExceeded(op: "batch", limit: "input words", maximum: capacity, found: words.count)
        }
        func view(_ start: Int, _ shape: Shape) -> Tensor {
            Tensor(buffer: buffer, byteOffset: start * MemoryLayout<Int32>.size, dtype: .int32, shape: shape)
        }
        try words.withUnsafeBytes { try backend.write($0, to: view(0, [words.count])) }
        return DeviceBatch(
            tokenIDs: view(0, [tokenCount]), positions: view(tokenCount, [tokenCount]),
            slots: view(2 * tokenCount, [tokenCount]),
            attention: AttentionBatch(
                queryOffsets: view(offsetsStart, [sequenceCount + 1]),
                contextLengths: view(lengthsStart, [sequenceCount]),
                blockTables: view(tablesStart, [sequenceCount, blockCount]), tokenCount: tokenCount,
                maxQueryCount: batch.queryCounts.max() ?? 0, maxContextLength: batch.contextLengths.max() ?? 0),
            logitRows: view(rowsStart, [batch.logitRows.count]))
    }
}
