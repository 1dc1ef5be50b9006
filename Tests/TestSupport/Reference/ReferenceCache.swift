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

    /// What a backend stores for one side of a cache.
    public struct Encoded: Sendable, Equatable {
        public var elements: [UInt8]
        /// One a row of `headSize` elements, for int8 alone.
        public var scales: [Float]?

        public init(elements: [UInt8], scales: [Float]? = nil) {
            self.elements = elements
            self.scales = scales
        }
    }

    /// The values as a cache of `dtype` holds them. A row with NaN becomes one whose scale is NaN.
    public func encoded(as dtype: DType) -> Encoded {
        guard dtype == .int8 else { return Encoded(elements: NumberFormats.encode(values, as: dtype)) }
        let rows = stride(from: 0, to: values.count, by: headSize).map {
            ReferenceCache.levels(of: values[$0..<$0 + headSize])
        }
        return Encoded(
            elements: rows.flatMap { $0.levels.map { UInt8(bitPattern: $0) } }, scales: rows.map(\.scale))
    }

    /// Symmetric levels of -127 to 127 and what one stands for.
    public static func levels(of row: ArraySlice<Float>) -> (scale: Float, levels: [Int8]) {
        guard row.allSatisfy(\.isFinite) else { return (.nan, row.map { _ in 0 }) }
        let largest = row.reduce(0) { max($0, abs($1)) }
        guard largest >= 0x1p-118 else { return (0, row.map { _ in 0 }) }
        let scale = largest / 127
        return (scale, row.map { Int8(($0 / scale).rounded(.toNearestOrEven)) })
    }

    /// Takes over what a backend holds.
    public mutating func decode(_ encoded: Encoded, as dtype: DType) {
        guard dtype == .int8, let scales = encoded.scales else {
            values = NumberFormats.decode(encoded.elements, as: dtype)
            return
        }
        values = encoded.elements.enumerated().map { index, level in
            Float(Int8(bitPattern: level)) * scales[index / headSize]
        }
    }

    /// The values after a backend stored and read them.
    public mutating func round(to dtype: DType) { decode(encoded(as: dtype), as: dtype) }

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
