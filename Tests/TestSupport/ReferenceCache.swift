public import TensorCore

/// One side (keys or values) of a paged cache on the host: `[B, KH, L, D]`.
public struct ReferenceCache: Sendable {
    public let blockCount: Int
    public let headCount: Int
    public let blockSizeInTokens: Int
    public let headSize: Int
    public var values: [Float]

    /// Filled with NaN, which stands for memory that nobody wrote.
    public init(blockCount: Int, headCount: Int, blockSizeInTokens: Int, headSize: Int) {
        self.blockCount = blockCount
        self.headCount = headCount
        self.blockSizeInTokens = blockSizeInTokens
        self.headSize = headSize
        values = [Float](repeating: .nan, count: blockCount * headCount * blockSizeInTokens * headSize)
    }

    public var shape: Shape { [blockCount, headCount, blockSizeInTokens, headSize] }

    /// Where the elements of one head of the token in `slot` start.
    public func index(slot: Int, head: Int) -> Int {
        let (block, offset) = (slot / blockSizeInTokens, slot % blockSizeInTokens)
        return ((block * headCount + head) * blockSizeInTokens + offset) * headSize
    }

    /// Stores `[T, KH * D]` rows, one token in each slot.
    public mutating func store(_ rows: Matrix, slots: [Int32]) {
        for t in 0..<rows.rows {
            for head in 0..<headCount {
                let start = index(slot: Int(slots[t]), head: head)
                for d in 0..<headSize { values[start + d] = Float(rows[t, head * headSize + d]) }
            }
        }
    }

    /// Copies whole blocks, all reading what was there before the first copy.
    public mutating func copyBlocks(_ pairs: [(from: Int, to: Int)]) {
        let size = headCount * blockSizeInTokens * headSize
        let before = values
        for pair in pairs {
            values.replaceSubrange(
                pair.to * size..<(pair.to + 1) * size, with: before[pair.from * size..<(pair.from + 1) * size])
        }
    }
}
