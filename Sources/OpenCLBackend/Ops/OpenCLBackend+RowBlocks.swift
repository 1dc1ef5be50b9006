internal import TensorCore

extension OpenCLBackend {
    /// Bytes that are packed between two waits, after which the pages that were read may go.
    private static let packingByteCount = 8 << 20

    /// The weight in blocks of 16 rows, packed when the first of its products asks. Blocks while it packs.
    /// - Returns: `nil` where rows are no whole groups, or where memory does not suffice: products then read rows as they
    ///   are.
    func rowBlocks(of weight: OpenCLWeight) throws -> OpenCLBuffer? {
        if weight.wasMultiplied { return weight.rowBlocks }
        weight.wasMultiplied = true
        guard let blockByteCount = RowBlockLayout(weight.format).byteCount(columns: weight.columns) else { return nil }
        let blockCount = ceilDivide(weight.rows, RowBlockLayout.rowCount)
        guard let blocks = try? makeOpenCLBuffer(byteCount: blockCount * blockByteCount) else { return nil }
        let step = max(1, Self.packingByteCount / blockByteCount)
        let kernel = MatmulKernels.packRows[weight.format]
        let regions = weight.rowRegions
        for first in stride(from: 0, to: blockCount, by: step) {
            let count = min(step, blockCount - first)
            try launch(
                kernel, LaunchRange(count, local: 1), regions.first, regions.second, regions.third,
                regions.firstEnd, regions.secondEnd, UInt32(weight.columns), UInt32(weight.rows), UInt32(first),
                BufferRegion(buffer: blocks, elementOffset: 0),
                cost: LaunchCost(bytes: 2 * count * blockByteCount, flops: 0), isIndependent: true)
            try queue.finish()
            weight.discardRows(first * RowBlockLayout.rowCount..<(first + count) * RowBlockLayout.rowCount)
        }
        weight.keep(blocks)
        return blocks
    }
}
