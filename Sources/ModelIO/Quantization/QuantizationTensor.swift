package import TensorCore

/// A tensor of the file to be written, and the source of its values.
package struct QuantizationTensor: Sendable {
    /// How rows of the file are made from what is stored.
    package enum Source: Sendable {
        /// The stored rows.
        case rows(StoredTensor)
        /// Transposed: stored as `[K, N]`.
        case transposed(StoredTensor)
        /// The stored rows in another order.
        case reordered(StoredTensor, RowOrder)
        /// One below the other: the matrices of experts, all of one shape and type.
        case stacked([StoredTensor])
        /// Values that are computed here.
        case values([Float])
    }

    /// The place of the rows of heads in what is stored.
    package enum RowOrder: Sendable {
        /// In the file the two halves of each head alternate; stored, one comes after the other.
        case alternatingHalves(headSize: Int)
        /// In the file all queries, all keys, all values; stored, for each key head, the queries that read it, the key
        /// and the value.
        case byKeyHead(headSize: Int, queriesPerKey: Int)
        /// As above, but the file has one part: 0 the queries, 1 the keys, 2 the values. Halves of queries and keys
        /// alternate.
        case partByKeyHead(part: Int, headSize: Int, queriesPerKey: Int)

        /// The stored row that becomes row `row` of `count`.
        func storedRow(_ row: Int, of count: Int) -> Int {
            switch self {
            case .alternatingHalves(let headSize):
                let (head, place) = row.quotientAndRemainder(dividingBy: headSize)
                return head * headSize + place % 2 * (headSize / 2) + place / 2
            case .byKeyHead(let headSize, let queries):
                let groups = count / headSize / (queries + 2)
                let (head, place) = row.quotientAndRemainder(dividingBy: headSize)
                let (part, first) =
                    head < queries * groups ? (0, 0) : head < (queries + 1) * groups ? (1, queries) : (2, queries + 1)
                let stored =
                    part == 0
                    ? head / queries * (queries + 2) + head % queries
                    : (head - first * groups) * (queries + 2) + first
                return stored * headSize + place
            case .partByKeyHead(let part, let headSize, let queries):
                let (head, place) = row.quotientAndRemainder(dividingBy: headSize)
                let stored =
                    part == 0
                    ? head / queries * (queries + 2) + head % queries : head * (queries + 2) + queries + part - 1
                return stored * headSize + (part == 2 ? place : place % 2 * (headSize / 2) + place / 2)
            }
        }
    }

    /// In the file.
    package let name: String
    /// In the file, row-major.
    package let shape: Shape
    package let source: Source
    /// A factor for every value.
    package let scale: Float

    package init(name: String, shape: Shape, source: Source, scale: Float = 1) {
        self.name = name
        self.shape = shape
        self.source = source
        self.scale = scale
    }

    /// The tensors that are read: one, or those of all experts; none of values made here.
    package var stored: [StoredTensor] {
        switch source {
        case .rows(let tensor), .transposed(let tensor), .reordered(let tensor, _): [tensor]
        case .stacked(let tensors): tensors
        case .values: []
        }
    }

    /// The format of the values as they are.
    package var storedType: StoredType { stored.first?.type ?? .float32 }

    /// Elements of a row. A vector whose elements are reordered counts as rows of one.
    package var columns: Int {
        if case .reordered = source, shape.rank < 2 { return 1 }
        return shape.extents.last ?? 1
    }

    package var rows: Int { columns == 0 ? 0 : shape.elementCount / columns }

    /// The bytes of rows that are the same in the file as stored; `nil` where they must be computed.
    func bytes(of range: Range<Int>) -> HostBytes? {
        guard case .rows(let tensor) = source, scale == 1 else { return nil }
        let rowByteCount = columns / tensor.type.blockSize * tensor.type.blockByteCount
        let bytes = tensor.bytes.pointer[range.lowerBound * rowByteCount..<range.upperBound * rowByteCount]
        return HostBytes(owner: tensor.bytes.owner, pointer: UnsafeRawBufferPointer(rebasing: bytes))
    }

    /// Converts rows of the file to float32, `[range.count, columns]`.
    /// - Precondition: the stored type is decodable.
    func load(_ range: Range<Int>, into output: UnsafeMutablePointer<Float>) {
        let columns = columns
        switch source {
        case .values(let values):
            for index in 0..<range.count * columns { output[index] = values[range.lowerBound * columns + index] }
        case .rows(let tensor): decode(tensor, range.lowerBound * columns, range.count * columns, output)
        case .reordered(let tensor, let order):
            let rows = rows
            for row in range {
                let stored = order.storedRow(row, of: rows)
                decode(tensor, stored * columns, columns, output + (row - range.lowerBound) * columns)
            }
        case .stacked(let tensors):
            let partRows = rows / tensors.count
            for row in range {
                let (part, stored) = row.quotientAndRemainder(dividingBy: partRows)
                decode(tensors[part], stored * columns, columns, output + (row - range.lowerBound) * columns)
            }
        case .transposed(let tensor): transpose(tensor, range, into: output)
        }
        guard scale != 1 else { return }
        for index in 0..<range.count * columns { output[index] *= scale }
    }

    /// Converts `count` stored values from `element` on, where a block starts.
    private func decode(
        _ tensor: StoredTensor, _ element: Int, _ count: Int, _ target: UnsafeMutablePointer<Float>
    ) {
        guard let start = tensor.bytes.pointer.baseAddress else { return }
        let first = start + element / tensor.type.blockSize * tensor.type.blockByteCount
        _ = ElementConversion.decode(first, tensor.type, count: count, into: target)
        withExtendedLifetime(tensor.bytes.owner) {}
    }

    /// Gathers pieces of the stored rows, which are the file's columns.
    private func transpose(_ tensor: StoredTensor, _ range: Range<Int>, into output: UnsafeMutablePointer<Float>) {
        let (rows, columns) = (rows, columns)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: range.count) { line in
            guard let line = line.baseAddress else { return }
            for column in 0..<columns {
                decode(tensor, column * rows + range.lowerBound, range.count, line)
                for row in 0..<range.count { output[row &* columns &+ column] = line[row] }
            }
        }
    }
}
