internal import TensorCore

/// Exact search over the vectors of a collection: one matrix product of queries and FP16 or int8 vectors a
/// segment, on any backend.
final class DenseIndex {
    private struct Part {
        let chunks: [Int64]
        let matrix: any Weight
    }

    /// Rows of one product's output, which bounds the memory that scores take.
    private static let rowLimit = 1 << 16
    private let backend: any Backend
    private let parts: [Part]
    private let dimensionCount: Int
    private let query: Tensor
    private let scores: Tensor

    /// Copies the vectors to the device. Blocks.
    /// - Parameter backend: for this index alone; ops of others must not run at the same time.
    init(_ reader: CollectionReader, on backend: any Backend) throws {
        guard let dimensionCount = reader.settings.dimensionCount else {
            throw RetrievalError.noVectors(path: reader.path)
        }
        self.backend = backend
        self.dimensionCount = dimensionCount
        let longest = min(reader.lexical.segments.map(\.chunks.count).max() ?? 1, DenseIndex.rowLimit)
        try backend.reserve(
            ExecutionLimits(
                tokenCount: 1, sequenceCount: 1, contextLength: 1, featureCount: max(longest, dimensionCount),
                matmulInputCount: dimensionCount, headCount: 1, headSize: 1))
        var parts: [Part] = []
        for segment in reader.lexical.segments {
            let bytes = try reader.vectors(of: segment, dimensionCount: dimensionCount)
            let format = reader.settings.vectorFormat
            let rowByteCount = format.rowByteCount(dimensionCount)
            for start in stride(from: 0, to: segment.chunks.count, by: DenseIndex.rowLimit) {
                let rows = start..<min(start + DenseIndex.rowLimit, segment.chunks.count)
                let source = bytes.withUnsafeBytes { bytes in
                    format.matrix(
                        UnsafeRawBufferPointer(
                            rebasing: bytes[rows.lowerBound * rowByteCount..<rows.upperBound * rowByteCount]),
                        count: rows.count, dimensionCount: dimensionCount)
                }
                parts.append(Part(chunks: Array(segment.chunks[rows]), matrix: try backend.prepare(source)))
            }
        }
        self.parts = parts
        query = try backend.makeTensor(.float32, [1, dimensionCount])
        scores = try backend.makeTensor(.float32, [1, max(longest, 1)])
    }

    /// The chunks whose vectors have the largest products with `vector`. Blocks.
    func search(_ vector: [Float], count: Int, allowed: Set<Int64>? = nil) throws -> [Hit] {
        precondition(vector.count == dimensionCount, "a vector of \(vector.count) for \(dimensionCount)")
        try vector.withUnsafeBytes { try backend.write($0, to: query) }
        var best = TopHits(count: count, keepsAll: true)
        for part in parts {
            let row = scores.columns(0..<part.chunks.count)
            try backend.matmul(query, part.matrix, into: row, epilogue: .none)
            // What does not beat the worst of the best so far is passed over by one comparison.
            var threshold = best.threshold
            for (index, value) in try backend.readFloats(row).enumerated() where Double(value) > threshold {
                let chunk = part.chunks[index]
                guard allowed?.contains(chunk) ?? true else { continue }
                best.insert(Hit(chunk: chunk, score: Double(value)))
                threshold = best.threshold
            }
        }
        return best.sorted
    }
}
