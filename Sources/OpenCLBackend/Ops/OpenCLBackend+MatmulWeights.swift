internal import TensorCore

extension OpenCLWeight {
    /// Parts that the matrix-product kernels tell apart.
    static let maxRegionCount = 3

    /// The parts with rows, those that lie one behind the other as one.
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
