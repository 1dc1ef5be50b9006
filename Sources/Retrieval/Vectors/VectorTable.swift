internal import VectorKernels

/// Normalised vectors of chunks beside each other in memory, in FP16, for indexes that compare them one by one.
package final class VectorTable: Sendable {
    /// In the order of the segments.
    package let chunks: [Int64]
    package let dimensionCount: Int
    /// The bits of the numbers, `[chunks, dimensionCount]`.
    private let numbers: [UInt16]

    private init(chunks: [Int64], bits: [UInt16], dimensionCount: Int) {
        self.chunks = chunks
        numbers = bits
        self.dimensionCount = dimensionCount
    }

    /// - Precondition: `numbers` holds `dimensionCount` numbers a chunk.
    package convenience init(chunks: [Int64], numbers: [Float], dimensionCount: Int) {
        precondition(
            numbers.count == chunks.count * dimensionCount, "\(numbers.count) numbers for \(chunks.count) vectors")
        self.init(chunks: chunks, bits: numbers.map { Float16($0).bitPattern }, dimensionCount: dimensionCount)
    }

    /// Reads all vectors of a collection. Blocks.
    convenience init(_ reader: CollectionReader) throws {
        guard let dimensionCount = reader.settings.dimensionCount else {
            throw RetrievalError.noVectors(path: reader.path)
        }
        var chunks: [Int64] = []
        var bits: [UInt16] = []
        bits.reserveCapacity(reader.chunkCount * dimensionCount)
        for segment in reader.lexical.segments {
            bits += reader.settings.vectorFormat.halfBits(
                try reader.vectors(of: segment, dimensionCount: dimensionCount), dimensionCount: dimensionCount)
            chunks += segment.chunks
        }
        self.init(chunks: chunks, bits: bits, dimensionCount: dimensionCount)
    }

    package var count: Int { chunks.count }

    func withTable<Result>(_ body: (UnsafePointer<vector_table>) throws -> Result) rethrows -> Result {
        try numbers.withUnsafeBufferPointer { buffer in
            var table = vector_table(rows: buffer.baseAddress, count: Int64(count), size: Int64(dimensionCount))
            return try body(&table)
        }
    }

    package func vector(_ index: Int) -> [Float] {
        precondition(chunks.indices.contains(index), "vector \(index) of \(count)")
        return [Float](unsafeUninitializedCapacity: dimensionCount) { buffer, initialized in
            withTable { vector_floats($0, Int64(index), buffer.baseAddress) }
            initialized = dimensionCount
        }
    }

    /// - Parameter query: `dimensionCount` numbers.
    package func product(_ index: Int, _ query: UnsafePointer<Float>) -> Float {
        precondition(chunks.indices.contains(index), "vector \(index) of \(count)")
        return withTable { vector_product($0, Int64(index), query) }
    }

    package func product(_ first: Int, _ second: Int) -> Float {
        precondition(
            chunks.indices.contains(first) && chunks.indices.contains(second), "\(first), \(second) of \(count)")
        return withTable { vector_product_between($0, Int64(first), Int64(second)) }
    }
}
