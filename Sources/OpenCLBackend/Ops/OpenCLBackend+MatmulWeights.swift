internal import TensorCore

/// The places of a weight that kernels take, and the rows where the first and the second of them end.
struct WeightRegions {
    let first, second, third: BufferRegion
    let firstEnd, secondEnd: UInt32
}

extension OpenCLWeight {
    /// The number of parts of a weight that the matrix-product kernels can address.
    static let maxRegionCount = 3

    /// The parts that have rows. Parts that lie one behind the other count as one.
    var regions: [Part] {
        var regions: [Part] = []
        let rowByteCount = format.rowByteCount(columns: columns) ?? 0
        for part in parts where part.rows > 0 {
            if let previous = regions.last, previous.buffer === part.buffer,
                previous.byteOffset + previous.rows * rowByteCount == part.byteOffset
            {
                regions[regions.count - 1] = Part(
                    rows: previous.rows + part.rows, buffer: previous.buffer, byteOffset: previous.byteOffset)
            } else {
                regions.append(part)
            }
        }
        return regions
    }

    /// The rows as they came.
    /// - Precondition: they are kept.
    var rowRegions: WeightRegions {
        let parts = regions
        let last = parts[parts.count - 1]
        let middle = parts.count > 2 ? parts[1] : last
        let firstEnd = parts[0].rows
        return WeightRegions(
            first: parts[0].region(format), second: middle.region(format), third: last.region(format),
            firstEnd: UInt32(firstEnd), secondEnd: UInt32(parts.count > 2 ? firstEnd + middle.rows : firstEnd))
    }

    /// Blocks of rows as one region.
    func regions(of blocks: OpenCLBuffer) -> WeightRegions {
        let region = BufferRegion(buffer: blocks, elementOffset: 0)
        return WeightRegions(
            first: region, second: region, third: region, firstEnd: UInt32(rows), secondEnd: UInt32(rows))
    }
}
