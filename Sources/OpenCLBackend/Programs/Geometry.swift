internal import TensorCore

// Launch ranges that several families share, sized by the tuning table.
extension OpenCLBackend {
    /// One work-group a row.
    func rowGroups(_ rows: Int) -> LaunchRange {
        LaunchRange(rows * tuning.rowGroupSize, local: tuning.rowGroupSize)
    }

    /// One work-item a row.
    func rowItems(_ rows: Int) -> LaunchRange { LaunchRange(rows, local: tuning.elementGroupSize) }

    /// Whether rows are as short as those of a router. Kernels of such rows are parts of chains; those of rows of logits come
    /// last in a pass, and would only make its chain's program larger.
    func isShort(_ x: Tensor) -> Bool { x.columns <= 1024 }

    /// Rows of work-items that each take sixteen columns at a time: one a row on a CPU, enough for all columns on a GPU.
    func vectorItems(columns: Int, rows: Int) -> LaunchRange {
        let items = tuning.rowIsWorkItem ? 1 : (columns + 15) / 16
        return LaunchRange((min(items, columns), rows), local: (tuning.elementGroupSize, 1))
    }

    /// Work-items (element or pair, head, token): one for each head on a CPU, one for each element on a GPU.
    func headItems(elements: Int, heads: Int, tokens: Int) -> LaunchRange {
        let items = tuning.rowIsWorkItem ? min(1, elements) : elements
        return LaunchRange((items, heads, tokens), local: (tuning.headGroupSize, 1, 1))
    }

    /// A float of local memory for each work-item of a row's group.
    var rowScratch: LocalMemory { LocalMemory(byteCount: tuning.rowGroupSize * MemoryLayout<Float>.size) }
}

extension Tensor {
    /// Elements from row to row, as kernels take it.
    var stride32: UInt32 { UInt32(rowStride) }
}

extension Tensor? {
    var stride32: UInt32 { self?.stride32 ?? 0 }
}
