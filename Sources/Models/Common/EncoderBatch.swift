public import TensorCore

/// What one pass of an encoder computes, on the host: the tokens of several texts, one behind the other.
///
/// Tokens that a mask hides are left out, since no other token sees them. One case is left: the first token of a text, of
/// which some heads make their answer. Hidden, it still sees the others; where it is wanted, it then lies behind the tokens
/// of its sequence, and outside of the keys.
///
/// Legend: `S` sequences, `T` tokens.
public struct HostEncoderBatch: Sendable {
    /// `[T]` each: ids, positions and segments, inside the model's tables.
    public private(set) var tokenIDs: [Int32] = []
    public private(set) var positions: [Int32] = []
    public private(set) var segments: [Int32] = []
    /// `[S]`: tokens of each sequence, the hidden first one included.
    public private(set) var queryCounts: [Int] = []
    /// `[S]`: rows that the tokens of the sequence see.
    public private(set) var keyRanges: [Range<Int>] = []
    /// `[S]`: the row of the text's first token.
    public private(set) var firstRows: [Int32] = []
    /// `[T]`: numbers of the tokens' adapters, 0 for none.
    public private(set) var adapters: [Int32] = []

    public init() {}

    public var tokenCount: Int { tokenIDs.count }
    public var sequenceCount: Int { queryCounts.count }

    /// Adds a text.
    /// - Parameters:
    ///   - visible: which of its tokens are not hidden, ascending; at least one.
    ///   - unseen: which of its tokens see the visible ones, though none sees them.
    ///   - tokens, positions, segments: of the whole text.
    ///   - needsFirst: whether its first token is wanted though it be hidden.
    ///   - adapter: the number of the text's adapter; 0: none.
    public mutating func append(
        visible: [Int], unseen: [Int] = [], tokens: [Int], positions: [Int], segments: [Int], needsFirst: Bool,
        adapter: Int = 0
    ) {
        precondition(!visible.isEmpty, "a text without visible tokens")
        let start = tokenIDs.count
        let isFirstHidden = needsFirst && visible[0] != 0
        let rows = visible + unseen + (isFirstHidden ? [0] : [])
        tokenIDs += rows.map { Int32(tokens[$0]) }
        self.positions += rows.map { Int32(positions[$0]) }
        self.segments += rows.map { Int32(segments[$0]) }
        adapters += repeatElement(Int32(adapter), count: rows.count)
        queryCounts.append(rows.count)
        keyRanges.append(start..<start + visible.count)
        firstRows.append(Int32(isFirstHidden ? start + visible.count + unseen.count : start))
    }
}

/// A batch of an encoder in device memory.
public struct EncoderBatch: Sendable {
    /// `[T]` int32 each.
    public let tokenIDs: Tensor
    public let positions: Tensor
    public let segments: Tensor
    /// `[S]` int32: the row of each text's first token.
    public let firstRows: Tensor
    /// `[T, 1]` int32: the adapter of each token; `nil`: none has one.
    public let adapters: Tensor?
    public let attention: EncoderAttentionBatch

    public var tokenCount: Int { attention.tokenCount }
    public var sequenceCount: Int { attention.sequenceCount }
}

/// Uploads batches of encoders with one write each, into memory allocated once.
public final class EncoderBatchUploader: Sendable {
    private let backend: any Backend
    private let buffer: any DeviceBuffer
    private let capacity: Int

    /// - Parameter tokenCount, sequenceCount: the largest batch.
    public init(backend: any Backend, tokenCount: Int, sequenceCount: Int) throws {
        self.backend = backend
        capacity = 4 * tokenCount + 4 * sequenceCount + 1
        buffer = try backend.makeBuffer(byteCount: capacity * MemoryLayout<Int32>.size)
    }

    /// - Throws: `BackendError.limitExceeded` where the batch is larger than planned.
    public func upload(_ batch: HostEncoderBatch) throws -> EncoderBatch {
        var offsets: [Int32] = [0]
        for count in batch.queryCounts { offsets.append((offsets.last ?? 0) + Int32(count)) }
        let ranges = batch.keyRanges.flatMap { [Int32($0.lowerBound), Int32($0.upperBound)] }
        let adapters = batch.adapters.contains { $0 != 0 } ? batch.adapters : []
        let parts = [batch.tokenIDs, batch.positions, batch.segments, batch.firstRows, adapters, offsets, ranges]
        let words = parts.flatMap { $0 }
        guard words.count <= capacity else {
            throw BackendError.limitExceeded(
                op: "encoder batch", limit: "input words", maximum: capacity, found: words.count)
        }
        try words.withUnsafeBytes { try backend.write($0, to: view(0..<words.count, [words.count])) }
        var end = 0
        func next(_ part: [Int32], _ shape: Shape? = nil) -> Tensor {
            end += part.count
            return view(end - part.count..<end, shape ?? [part.count])
        }
        let tokenIDs = next(batch.tokenIDs)
        let positions = next(batch.positions)
        let segments = next(batch.segments)
        let firstRows = next(batch.firstRows)
        let tokenAdapters = adapters.isEmpty ? nil : next(adapters, [adapters.count, 1])
        return EncoderBatch(
            tokenIDs: tokenIDs, positions: positions, segments: segments, firstRows: firstRows,
            adapters: tokenAdapters,
            attention: EncoderAttentionBatch(
                queryOffsets: next(offsets), keyRanges: next(ranges, [batch.sequenceCount, 2]),
                tokenCount: batch.tokenCount, maxQueryCount: batch.queryCounts.max() ?? 0,
                maxKeyCount: batch.keyRanges.map(\.count).max() ?? 0))
    }

    private func view(_ range: Range<Int>, _ shape: Shape) -> Tensor {
        Tensor(
            buffer: buffer, byteOffset: range.lowerBound * MemoryLayout<Int32>.size, dtype: .int32, shape: shape)
    }
}
