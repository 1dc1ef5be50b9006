internal import CPUKernels
public import TensorCore

extension CPUBackend {
    public func addLowRank(
        _ x: Tensor, down: any IndexedWeights, up: any IndexedWeights, parts: [LowRankPart], indices: Tensor,
        scratch: LowRankScratch, to output: Tensor
    ) throws {
        let (downs, ups) = (Check.experts(down), Check.experts(up))
        guard let first = downs.lowRank, let second = ups.lowRank, first.isPlain, !second.isPlain else {
            return try addLowRankByProducts(x, down: down, up: up, indices: indices, scratch: scratch, to: output)
        }
        let checks = ArgumentChecks(op: "addLowRank")
        try checks.matrix(x, "x", rows: x.rows, columns: downs.columns)
        try checks.matrix(output, "output", rows: x.rows, columns: ups.rows)
        try checks.require(downs.rows == ups.columns, "ranks of \(downs.rows) and \(ups.columns)")
        try checks.require(
            parts.reduce(0) { $0 + $1.rows } == ups.rows && parts.reduce(0) { $0 + $1.rank } == ups.columns,
            "parts of other sizes than [\(ups.rows), \(ups.columns)]")
        try checks.require(indices.shape.elementCount == x.rows, "\(indices.shape) indices for \(x.rows) rows")
        if x.rows == 0 { return }
        let values = UnsafeBufferPointer(start: indices.int32s, count: x.rows)
        let count = Int32(min(downs.count, ups.count))
        if let bad = values.first(where: { !(0..<count).contains($0) }) {
            throw BackendError.invalidArgument(op: "addLowRank", reason: "adapter \(bad) is not in 0..<\(count)")
        }
        let read = downs.rows * downs.columns + parts.reduce(0) { $0 + $1.rows * $1.rank }
        let (ranks, outputs) = (parts.map { Int64($0.rank) }, parts.map { Int64($0.rows) })
        launch("add_low_rank_f32", byteCount: 4 * x.rows * read, flopCount: 2 * x.rows * read) {
            ranks.withUnsafeBufferPointer { ranks in
                outputs.withUnsafeBufferPointer { outputs in
                    var arguments = cpuk_low_rank_args(
                        x: x.floatRows, output: output.floatRows, tokens: Int64(x.rows), inputs: Int64(downs.columns),
                        outputs: Int64(ups.rows), rank: Int64(downs.rows), indices: indices.int32s,
                        down: UnsafePointer(first.pointers.baseAddress),
                        up: UnsafePointer(second.pointers.baseAddress), part_ranks: ranks.baseAddress,
                        part_outputs: outputs.baseAddress, parts: Int64(parts.count))
                    _ = cpuk_add_low_rank(context, &arguments)
                }
            }
        }
    }
}

/// FP32 matrices of a few rows, or of a few columns, which are transposed: `R` rows of many numbers either way.
final class LowRankMatrices: Sendable {
    /// Whether they lie as they were given.
    let isPlain: Bool
    // SAFETY: written here only; what they point at is kept alive by `sources` and `buffer`.
    nonisolated(unsafe) let pointers: UnsafeMutableBufferPointer<UnsafePointer<Float>?>
    private let sources: [WeightSource]
    private let buffer: CPUBuffer?

    /// Fails for matrices in other formats, in parts, or of higher ranks.
    init?(_ sources: [WeightSource]) {
        guard let shape = sources.first, min(shape.rows, shape.columns) <= Int(CPUK_MAX_LOW_RANK),
            shape.rows != shape.columns,
            sources.allSatisfy({ $0.format == .float32 && $0.parts.count == 1 })
        else { return nil }
        let (rows, columns) = (shape.rows, shape.columns)
        isPlain = rows < columns
        self.sources = sources
        var found = sources.map { $0.parts[0].bytes.pointer.baseAddress }
        if isPlain {
            buffer = nil
        } else {
            let size = rows * columns
            guard let buffer = CPUBuffer(byteCount: sources.count * size * MemoryLayout<Float>.size) else { return nil }
            for (index, source) in found.enumerated() {
                guard let source else { return nil }
                let place = buffer.pointer + index * size * MemoryLayout<Float>.size
                let to = place.assumingMemoryBound(to: Float.self)
                for row in 0..<rows {
                    for column in 0..<columns {
                        to[column * rows + row] = source.loadUnaligned(
                            fromByteOffset: (row * columns + column) * MemoryLayout<Float>.size, as: Float.self)
                    }
                }
                found[index] = UnsafeRawPointer(place)
            }
            self.buffer = buffer
        }
        pointers = .allocate(capacity: found.count)
        for (index, pointer) in found.enumerated() {
            pointers.initializeElement(at: index, to: pointer?.assumingMemoryBound(to: Float.self))
        }
    }

    deinit { pointers.deallocate() }
}
