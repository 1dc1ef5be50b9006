internal import TensorCore

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

    var byteCount: Int {
        let scales = format == .int8 ? rows * MemoryLayout<Float>.size : 0
        return rows * (format.rowByteCount(columns: columns) ?? 0) + scales
    }
}
