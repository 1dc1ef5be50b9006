internal import TensorCore

/// Late interaction: a chunk's score is the sum over the query's tokens of the largest product with one of the chunk's
/// tokens. (Khattab and Zaharia, 2020, "ColBERT": MaxSim) One matrix product of the query's vectors and the FP16 vectors of
/// many chunks gives all of them, on any backend.
final class MultiVectorIndex {
    /// Chunks whose tokens lie one behind the other in one matrix.
    private struct Part {
        let chunks: [Int64]
        /// Where the tokens of each chunk begin, and where the last one's end.
        let starts: [Int]
        let matrix: any Weight
    }

    /// Tokens of one matrix, unless one chunk has more; and tokens of a query in one product. Both bound the scores at once.
    private static let rowLimit = 1 << 14
    private static let queryLimit = 64
    /// Vectors of a collection up to this size stay on the device; larger ones are read for every query.
    private static let keptByteLimit = 1 << 30

    private let reader: CollectionReader
    private let backend: any Backend
    private let size: Int
    private let query: Tensor
    private var scores: Tensor
    private var kept: [Part]?

    /// - Parameter backend: for this index and others that are not searched at the same time.
    init(_ reader: CollectionReader, on backend: any Backend) throws {
        guard let size = reader.settings.tokenVectorSize else {
            throw RetrievalError.noTokenVectors(path: reader.path)
        }
        self.reader = reader
        self.backend = backend
        self.size = size
        query = try backend.makeTensor(.float32, [MultiVectorIndex.queryLimit, size])
        scores = try backend.makeTensor(.float32, [MultiVectorIndex.queryLimit * MultiVectorIndex.rowLimit])
        try reserve(MultiVectorIndex.rowLimit)
    }

    private func reserve(_ rowCount: Int) throws {
        try backend.reserve(
            ExecutionLimits(
                tokenCount: MultiVectorIndex.queryLimit, sequenceCount: 1, contextLength: 1,
                featureCount: max(rowCount, size), matmulInputCount: size, headCount: 1, headSize: 1))
    }

    /// The best of all chunks. Blocks.
    /// - Parameter vectors: `[tokens, size]`.
    func search(_ vectors: [Float], count: Int, allowed: Set<Int64>? = nil) throws -> [Hit] {
        if kept == nil, try reader.tokenVectorByteCount() <= MultiVectorIndex.keptByteLimit {
            var parts: [Part] = []
            try forEachPart(of: nil) { parts.append($0) }
            kept = parts
        }
        var best = TopHits(count: count, keepsAll: true)
        func add(_ part: Part) throws {
            for hit in try score(part, vectors) where allowed?.contains(hit.chunk) ?? true { best.insert(hit) }
        }
        if let kept { try kept.forEach(add) } else { try forEachPart(of: allowed?.sorted(), add) }
        return best.sorted
    }

    /// Some chunks in the order of their scores. Blocks.
    func rank(_ chunks: [Int64], _ vectors: [Float]) throws -> [Hit] {
        var hits: [Hit] = []
        try forEachPart(of: chunks.sorted()) { hits += try score($0, vectors) }
        return hits.sorted(by: Hit.precedes)
    }

    private func forEachPart(of chunks: [Int64]?, _ body: (Part) throws -> Void) throws {
        let rowByteCount = size * MemoryLayout<Float16>.size
        var (members, starts, bytes): ([Int64], [Int], [UInt8]) = ([], [0], [])
        func flush() throws {
            guard !members.isEmpty else { return }
            let memory = HostAllocation(byteCount: bytes.count)
            bytes.withUnsafeBytes { memory.pointer.copyMemory(from: $0) }
            let rowCount = bytes.count / rowByteCount
            let matrix = try backend.prepare(
                WeightSource(
                    name: "token vectors", format: .float16, columns: size,
                    parts: [WeightPart(rows: rowCount, bytes: memory.bytes)]))
            try body(Part(chunks: members, starts: starts, matrix: matrix))
            (members, starts, bytes) = ([], [0], [])
        }
        try reader.forEachTokenVectors(of: chunks, rowByteCount: rowByteCount) { chunk, vectors in
            if (bytes.count + vectors.count) / rowByteCount > MultiVectorIndex.rowLimit { try flush() }
            members.append(chunk)
            bytes += vectors
            starts.append(bytes.count / rowByteCount)
        }
        try flush()
    }

    private func score(_ part: Part, _ vectors: [Float]) throws -> [Hit] {
        let rowCount = part.starts[part.chunks.count]
        if MultiVectorIndex.queryLimit * rowCount > scores.shape.elementCount {
            try reserve(rowCount)
            scores = try backend.makeTensor(.float32, [MultiVectorIndex.queryLimit * rowCount])
        }
        var sums = [Double](repeating: 0, count: part.chunks.count)
        let tokenCount = vectors.count / size
        for first in stride(from: 0, to: tokenCount, by: MultiVectorIndex.queryLimit) {
            let tokens = first..<min(first + MultiVectorIndex.queryLimit, tokenCount)
            let input = query.rows(0..<tokens.count)
            try vectors[tokens.lowerBound * size..<tokens.upperBound * size].withUnsafeBytes {
                try backend.write($0, to: input)
            }
            let output = Tensor(buffer: scores.buffer, dtype: .float32, shape: [tokens.count, rowCount])
            try backend.matmul(input, part.matrix, into: output, epilogue: .none)
            try backend.readFloats(output).withUnsafeBufferPointer { values in
                for token in 0..<tokens.count {
                    for chunk in sums.indices {
                        let range = part.starts[chunk]..<part.starts[chunk + 1]
                        let row = UnsafeBufferPointer(
                            rebasing: values[token * rowCount + range.lowerBound..<token * rowCount + range.upperBound])
                        sums[chunk] += Double(MultiVectorIndex.largest(row))
                    }
                }
            }
        }
        return zip(part.chunks, sums).map { Hit(chunk: $0, score: $1) }
    }

    /// The largest of some numbers, sixteen at a time.
    private static func largest(_ values: UnsafeBufferPointer<Float>) -> Float {
        guard let base = UnsafeRawPointer(values.baseAddress), !values.isEmpty else { return 0 }
        var best = SIMD16<Float>(repeating: -.infinity)
        var index = 0
        while index + 16 <= values.count {
            let next = base.loadUnaligned(fromByteOffset: 4 * index, as: SIMD16<Float>.self)
            best.replace(with: next, where: next .> best)
            index += 16
        }
        var result = best.max()
        while index < values.count {
            result = max(result, values[index])
            index += 1
        }
        return result
    }
}
