package import TensorCore

/// A tensor of the file to be made, and where its values come from.
package struct QuantizationTensor: Sendable {
    /// How rows of the file come from what is stored.
    package enum Source: Sendable {
        /// As they lie.
        case rows(StoredTensor)
        /// Stored `[K, N]`.
        case transposed(StoredTensor)
        /// In another order.
        case reordered(StoredTensor, RowOrder)
        /// Made here.
        case values([Float])
    }

    /// Where the rows of heads lie in what is stored.
    package enum RowOrder: Sendable {
        /// The file has the two halves of each head alternate; stored is one behind the other.
        case alternatingHalves(headSize: Int)
        /// The file has the first part of all heads, then the second, and so on; stored are the parts of one head
        /// together.
        case partsOfHeads(headSize: Int, partCount: Int)

        /// The stored row that becomes row `row` of `count`.
        func storedRow(_ row: Int, of count: Int) -> Int {
            switch self {
            case .alternatingHalves(let headSize):
                let (head, place) = row.quotientAndRemainder(dividingBy: headSize)
                return head * headSize + place % 2 * (headSize / 2) + place / 2
            case .partsOfHeads(let headSize, let partCount):
                let (part, rest) = row.quotientAndRemainder(dividingBy: count / partCount)
                let (head, place) = rest.quotientAndRemainder(dividingBy: headSize)
                return (head * partCount + part) * headSize + place
            }
        }
    }

    /// In the file.
    package let name: String
    /// In the file, row-major.
    package let shape: Shape
    package let source: Source

    package init(name: String, shape: Shape, source: Source) {
        self.name = name
        self.shape = shape
        self.source = source
    }

    /// The tensor that is read, if any.
    package var stored: StoredTensor? {
        switch source {
        case .rows(let tensor), .transposed(let tensor), .reordered(let tensor, _): tensor
        case .values: nil
        }
    }

    /// The format of the values as they are.
    package var storedType: StoredType { stored?.type ?? .float32 }

    /// Elements of a row. A vector whose elements are reordered counts as rows of one.
    package var columns: Int {
        if case .reordered = source, shape.rank < 2 { return 1 }
        return shape.extents.last ?? 1
    }

    package var rows: Int { columns == 0 ? 0 : shape.elementCount / columns }

    /// The bytes of rows that are in the file as they are stored; `nil` where they must be computed.
    func bytes(of range: Range<Int>) -> HostBytes? {
        guard case .rows(let tensor) = source else { return nil }
        let rowByteCount = columns / tensor.type.blockSize * tensor.type.byteCount
        let bytes = tensor.bytes.pointer[range.lowerBound * rowByteCount..<range.upperBound * rowByteCount]
        return HostBytes(owner: tensor.bytes.owner, pointer: UnsafeRawBufferPointer(rebasing: bytes))
    }

    /// Widens rows of the file to float32, `[range.count, columns]`.
    /// - Precondition: the stored type is decodable.
    func load(_ range: Range<Int>, into output: UnsafeMutablePointer<Float>) {
        let columns = columns
        if case .values(let values) = source {
            for index in 0..<range.count * columns { output[index] = values[range.lowerBound * columns + index] }
            return
        }
        guard let tensor = stored, let start = tensor.bytes.pointer.baseAddress else { return }
        let type = tensor.type
        func decode(_ element: Int, _ count: Int, _ target: UnsafeMutablePointer<Float>) {
            let first = start + element / type.blockSize * type.byteCount
            _ = ElementConversion.decode(first, type, count: count, into: target)
        }
        withExtendedLifetime(tensor.bytes.owner) {
            switch source {
            case .values: break
            case .rows: decode(range.lowerBound * columns, range.count * columns, output)
            case .reordered(_, let order):
                let rows = rows
                for row in range {
                    let stored = order.storedRow(row, of: rows)
                    decode(stored * columns, columns, output + (row - range.lowerBound) * columns)
                }
            case .transposed: transpose(range, into: output, decode)
            }
        }
    }

    /// Reads pieces of the stored rows, which are the file's columns.
    private func transpose(
        _ range: Range<Int>, into output: UnsafeMutablePointer<Float>,
        _ decode: (Int, Int, UnsafeMutablePointer<Float>) -> Void
    ) {
        let (rows, columns) = (rows, columns)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: range.count) { line in
            guard let line = line.baseAddress else { return }
            for column in 0..<columns {
                decode(column * rows + range.lowerBound, range.count, line)
                for row in 0..<range.count { output[row &* columns &+ column] = line[row] }
            }
        }
    }
}
