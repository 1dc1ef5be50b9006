internal import Dispatch
package import TensorCore

/// Converts one stored matrix to rows `[N, K]` of a number format, in parallel, in memory of its own.
///
/// Legend: `N` rows (output channels), `K` columns (input features). A transposed matrix is stored as `[K, N]`.
package struct MatrixConversion: Sendable {
    package enum Failure: Error, Equatable {
        case unsupportedElement
        /// A block format is asked for, and the tensor has another one.
        case needsBlocks
        case overflowsFloat16
        case notFinite(row: Int)
    }

    let tensor: StoredTensor
    let rows: Int
    let columns: Int
    let isTransposed: Bool
    let format: WeightFormat

    /// - Precondition: the tensor's shape is `[rows, columns]`, or `[columns, rows]` where it is transposed.
    package init(_ tensor: StoredTensor, rows: Int, columns: Int, isTransposed: Bool, format: WeightFormat) {
        precondition(tensor.shape.elementCount == rows * columns, "\(tensor.name) is not \(rows) x \(columns)")
        self.tensor = tensor
        self.rows = rows
        self.columns = columns
        self.isTransposed = isTransposed
        self.format = format
    }

    /// Whether the stored bytes can be used without conversion.
    package var isIdentity: Bool {
        guard !isTransposed, tensor.type.weightFormat == format else { return false }
        let address = tensor.bytes.pointer.baseAddress.map { Int(bitPattern: $0) } ?? 0
        return address % format.alignment == 0
    }

    /// The converted rows. Blocks; uses all cores.
    package func run() throws -> WeightPart {
        guard tensor.type.weightFormat == format || tensor.type.isDecodable else { throw Failure.unsupportedElement }
        guard format.blockSize == 1 || tensor.type.weightFormat == format else { throw Failure.needsBlocks }
        // A block lies along a row, so blocks cannot be transposed.
        guard !isTransposed || tensor.type.blockSize == 1 else { throw Failure.unsupportedElement }
        guard let rowByteCount = format.rowByteCount(columns: columns) else { throw Failure.unsupportedElement }
        // Checked shapes of mapped bytes: none of these products overflows, since no format is wider than the stored
        // one but float32 made of 2 bits or more, and files are far below a hundredth of the address space.
        let output = HostAllocation(byteCount: rows * rowByteCount)
        let scales = format == .int8 ? HostAllocation(byteCount: rows * 4) : nil
        try withExtendedLifetime((tensor, output, scales)) {
            guard rows > 0, columns > 0, let source = tensor.bytes.pointer.baseAddress,
                let target = output.pointer.baseAddress
            else { return }
            if tensor.type.weightFormat == format {
                copyBits(source, target)
            } else {
                try convert(source, target, scales?.pointer.baseAddress)
            }
        }
        return WeightPart(rows: rows, bytes: output.bytes, scales: scales?.bytes)
    }

    /// The rows of one task: whole cache lines of a transposed source, and scratch that fits the cache.
    private var blockRows: Int {
        let fitting = min(max((1 << 17) / max(columns, 1), 1), 1024)
        return isTransposed ? max(fitting / 32 * 32, 32) : fitting
    }

    /// Runs `body` for every block of rows, on all cores.
    private func forEachBlock(_ body: @Sendable (Range<Int>) -> Void) {
        let size = blockRows
        DispatchQueue.concurrentPerform(iterations: (rows + size - 1) / size) { block in
            body(block * size..<min((block + 1) * size, rows))
        }
    }

    // MARK: Same format

    private func copyBits(_ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer) {
        // SAFETY: blocks write disjoint rows.
        nonisolated(unsafe) let (source, target) = (source, target)
        forEachBlock { range in
            if !isTransposed {
                let rowByteCount = columns / format.blockSize * format.blockByteCount
                (target + range.lowerBound * rowByteCount).copyMemory(
                    from: source + range.lowerBound * rowByteCount, byteCount: range.count * rowByteCount)
            } else if format == .float32 {
                transpose(source, target, range, UInt32.self)
            } else {
                transpose(source, target, range, UInt16.self)
            }
        }
    }

    /// Writes rows `range` of the transposed matrix in tiles that fit the first-level cache.
    @inline(__always)
    private func transpose<Element: FixedWidthInteger>(
        _ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer, _ range: Range<Int>, _: Element.Type
    ) {
        let tile = 16
        let size = MemoryLayout<Element>.size
        let (rows, columns) = (self.rows, self.columns)
        let output = target.assumingMemoryBound(to: Element.self)
        for firstColumn in stride(from: 0, to: columns, by: tile) {
            let lastColumn = min(firstColumn &+ tile, columns)
            for firstRow in stride(from: range.lowerBound, to: range.upperBound, by: tile) {
                for row in firstRow..<min(firstRow &+ tile, range.upperBound) {
                    let out = output + row &* columns
                    for column in firstColumn..<lastColumn {
                        out[column] = source.loadUnaligned(
                            fromByteOffset: (column &* rows &+ row) &* size, as: Element.self)
                    }
                }
            }
        }
    }

    // MARK: Through float32

    private func convert(
        _ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer, _ scales: UnsafeMutableRawPointer?
    ) throws {
        guard tensor.type.isDecodable else { throw Failure.unsupportedElement }
        let blockCount = (rows + blockRows - 1) / blockRows
        let failures = UnsafeMutableBufferPointer<Int>.allocate(capacity: blockCount)
        failures.initialize(repeating: -1)
        defer { failures.deallocate() }
        // SAFETY: blocks write disjoint rows, and each its own failure.
        nonisolated(unsafe) let (input, output, scaleOutput, failed) = (source, target, scales, failures)
        forEachBlock { range in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: range.count * columns) { scratch in
                guard let scratch = scratch.baseAddress else { return }
                load(input, range, scratch)
                if let row = store(scratch, range, output, scaleOutput) { failed[range.lowerBound / blockRows] = row }
            }
        }
        guard let row = failures.first(where: { $0 >= 0 }) else { return }
        throw format == .float16 ? Failure.overflowsFloat16 : Failure.notFinite(row: row)
    }

    /// Decodes rows `range` into `[range.count, K]` float32.
    private func load(_ source: UnsafeRawPointer, _ range: Range<Int>, _ scratch: UnsafeMutablePointer<Float>) {
        let size = tensor.type.blockByteCount
        if !isTransposed {
            let first = source + range.lowerBound * columns / tensor.type.blockSize * size
            _ = ElementConversion.decode(first, tensor.type, count: range.count * columns, into: scratch)
            return
        }
        withUnsafeTemporaryAllocation(of: Float.self, capacity: range.count) { line in
            guard let line = line.baseAddress else { return }
            for column in 0..<columns {
                _ = ElementConversion.decode(
                    source + (column * rows + range.lowerBound) * size, tensor.type, count: range.count, into: line)
                for row in 0..<range.count { scratch[row &* columns &+ column] = line[row] }
            }
        }
    }

    /// Encodes rows `range`; returns the first row that cannot be encoded, if any.
    private func store(
        _ scratch: UnsafeMutablePointer<Float>, _ range: Range<Int>, _ target: UnsafeMutableRawPointer,
        _ scales: UnsafeMutableRawPointer?
    ) -> Int? {
        let first = range.lowerBound * columns
        let count = range.count * columns
        switch format {
        case .float32:
            (target.assumingMemoryBound(to: Float.self) + first).update(from: scratch, count: count)
        case .bfloat16:
            ElementConversion.encodeBFloat16(
                scratch, count: count, into: target.assumingMemoryBound(to: UInt16.self) + first)
        case .float16:
            let output = target.assumingMemoryBound(to: UInt16.self) + first
            return ElementConversion.encodeFloat16(scratch, count: count, into: output) ? nil : range.lowerBound
        case .int8:
            guard let scales = scales?.assumingMemoryBound(to: Float.self) else { return range.lowerBound }
            let output = target.assumingMemoryBound(to: Int8.self)
            for row in range {
                let scale = ElementConversion.quantizeInt8(
                    scratch + (row - range.lowerBound) * columns, count: columns, into: output + row * columns)
                guard let scale else { return row }
                scales[row] = scale
            }
        default: preconditionFailure("\(tensor.name): block formats are only copied")
        }
        return nil
    }
}
