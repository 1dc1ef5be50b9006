/// Normalised vectors of chunks, one behind the other in memory, for indexes that compare them one by one.
package final class VectorTable: Sendable {
    /// In the order of the segments.
    package let chunks: [Int64]
    package let dimensionCount: Int
    /// `[chunks, dimensionCount]`.
    private let numbers: [Float]

    /// - Precondition: `numbers` holds `dimensionCount` numbers a chunk.
    package init(chunks: [Int64], numbers: [Float], dimensionCount: Int) {
        precondition(
            numbers.count == chunks.count * dimensionCount, "\(numbers.count) numbers for \(chunks.count) vectors")
        self.chunks = chunks
        self.numbers = numbers
        self.dimensionCount = dimensionCount
    }

    /// Reads all vectors of a collection. Blocks.
    convenience init(_ reader: CollectionReader) throws {
        guard let dimensionCount = reader.settings.dimensionCount else {
            throw RetrievalError.noVectors(path: reader.path)
        }
        var chunks: [Int64] = []
        var numbers: [Float] = []
        for segment in reader.lexical.segments {
            let bytes = try reader.vectors(of: segment, dimensionCount: dimensionCount)
            chunks += segment.chunks
            numbers.reserveCapacity(chunks.count * dimensionCount)
            bytes.withUnsafeBytes { raw in
                for index in 0..<segment.chunks.count * dimensionCount {
                    numbers.append(Float(raw.loadUnaligned(fromByteOffset: 2 * index, as: Float16.self)))
                }
            }
        }
        self.init(chunks: chunks, numbers: numbers, dimensionCount: dimensionCount)
    }

    package var count: Int { chunks.count }

    package func vector(_ index: Int) -> ArraySlice<Float> {
        numbers[index * dimensionCount..<(index + 1) * dimensionCount]
    }

    func withNumbers<Result>(_ body: (UnsafePointer<Float>?) throws -> Result) rethrows -> Result {
        try numbers.withUnsafeBufferPointer { try body($0.baseAddress) }
    }

    package func product(_ index: Int, _ query: UnsafePointer<Float>) -> Float {
        numbers.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return 0 }
            return VectorTable.product(base + index * dimensionCount, query, dimensionCount)
        }
    }

    package func product(_ first: Int, _ second: Int) -> Float {
        numbers.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return 0 }
            return VectorTable.product(base + first * dimensionCount, base + second * dimensionCount, dimensionCount)
        }
    }

    /// A dot product in sixteen partial sums, which the compiler keeps in registers.
    private static func product(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Float {
        let (rawA, rawB) = (UnsafeRawPointer(a), UnsafeRawPointer(b))
        var sums = SIMD16<Float>.zero
        var index = 0
        while index + 16 <= count {
            let x = rawA.loadUnaligned(fromByteOffset: 4 * index, as: SIMD16<Float>.self)
            let y = rawB.loadUnaligned(fromByteOffset: 4 * index, as: SIMD16<Float>.self)
            sums += x * y
            index += 16
        }
        var sum = sums.sum()
        while index < count {
            sum += a[index] * b[index]
            index += 1
        }
        return sum
    }
}
