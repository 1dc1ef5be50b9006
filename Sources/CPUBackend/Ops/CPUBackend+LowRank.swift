internal import CPUKernels
public import TensorCore

extension CPUBackend {
    public func addLowRank(
        _ x: Tensor, down: any IndexedWeights, up: any IndexedWeights, parts: [LowRankPart], indices: Tensor,
        scratch: LowRankScratch, to output: Tensor
    ) throws {
        let (downs, ups) = (Check.experts(down), Check.experts(up))
        guard let first = downs.lowRank, let second = ups.lowRank, first.isPlain, !second.isPlain,
            downs.format == ups.format
        else {
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
        let size = downs.format.blockByteCount
        launch("add_low_rank_\(downs.format)", byteCount: size * x.rows * read, flopCount: 2 * x.rows * read) {
            ranks.withUnsafeBufferPointer { ranks in
                outputs.withUnsafeBufferPointer { outputs in
                    var arguments = cpuk_low_rank_args(
                        x: x.floatRows, output: output.floatRows, tokens: Int64(x.rows), inputs: Int64(downs.columns),
                        outputs: Int64(ups.rows), rank: Int64(downs.rows), indices: indices.int32s,
                        format: downs.format.numberFormat.kernelFormat,
                        down: UnsafePointer(first.pointers.baseAddress),
                        up: UnsafePointer(second.pointers.baseAddress), part_ranks: ranks.baseAddress,
                        part_outputs: outputs.baseAddress, parts: Int64(parts.count))
                    _ = cpuk_add_low_rank(context, &arguments)
                }
            }
        }
    }
}

/// Matrices in FP32, BF16 or FP16 of a few rows, or of a few columns, which are transposed: `R` rows of many numbers
/// either way.
final class LowRankMatrices: Sendable {
    /// Whether they lie as they were given.
    let isPlain: Bool
    // SAFETY: written here only; what they point at is kept alive by `sources` and `buffer`.
    nonisolated(unsafe) let pointers: UnsafeMutableBufferPointer<UnsafeRawPointer?>
    private let sources: [WeightSource]
    private let buffer: CPUBuffer?

    /// Fails for matrices in other formats, in parts, or of higher ranks.
    init?(_ sources: [WeightSource]) {
        guard let shape = sources.first, min(shape.rows, shape.columns) <= Int(CPUK_MAX_LOW_RANK),
            shape.rows != shape.columns,
            [.float32, .bfloat16, .float16].contains(shape.format),
            sources.allSatisfy({ $0.format == shape.format && $0.parts.count == 1 })
        else { return nil }
        let (rows, columns) = (shape.rows, shape.columns)
        isPlain = rows < columns
        self.sources = sources
        var found = sources.map { $0.parts[0].bytes.pointer.baseAddress }
        if isPlain {
            buffer = nil
        } else {
            let size = rows * columns * shape.format.blockByteCount
            guard let buffer = CPUBuffer(byteCount: sources.count * size) else { return nil }
            for (index, source) in found.enumerated() {
                guard let source else { return nil }
                let place = buffer.pointer + index * size
                if shape.format == .float32 {
                    LowRankMatrices.transpose(source, rows: rows, columns: columns, as: UInt32.self, to: place)
                } else {
                    LowRankMatrices.transpose(source, rows: rows, columns: columns, as: UInt16.self, to: place)
                }
                found[index] = UnsafeRawPointer(place)
            }
            self.buffer = buffer
        }
        pointers = .allocate(capacity: found.count)
        for (index, pointer) in found.enumerated() { pointers.initializeElement(at: index, to: pointer) }
    }

    private static func transpose<Element: BitwiseCopyable>(
        _ source: UnsafeRawPointer, rows: Int, columns: Int, as type: Element.Type, to place: UnsafeMutableRawPointer
    ) {
        let (size, to) = (MemoryLayout<Element>.size, place.assumingMemoryBound(to: type))
        for row in 0..<rows {
            for column in 0..<columns {
                to[column * rows + row] = source.loadUnaligned(
                    fromByteOffset: (row * columns + column) * size, as: type)
            }
        }
    }

    deinit { pointers.deallocate() }
}
