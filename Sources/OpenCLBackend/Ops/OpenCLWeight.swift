internal import TensorCore

/// A weight in device memory, or in host memory that the device reads.
final class OpenCLWeight: Weight {
    /// Rows of one part, packed one behind the other.
    struct Part: Sendable {
        let rows: Int
        /// The buffer with row 0 at `byteOffset`; parts may share a buffer.
        let buffer: OpenCLBuffer
        let byteOffset: Int
        /// Where the rows lie in the host's memory; `nil`: they were copied.
        var host: HostBytes?

        /// Where the part lies, counted in elements of the format; in bytes where those come in blocks.
        func region(_ format: WeightFormat) -> BufferRegion {
            BufferRegion(
                buffer: buffer, elementOffset: format.blockSize > 1 ? byteOffset : byteOffset / format.blockByteCount)
        }
    }

    let name: String
    let format: WeightFormat
    let columns: Int
    let rows: Int
    let partRows: [Int]
    /// Bytes of the rows as they came, with the scales of int8.
    let byteCount: Int
    /// `[N]` float32, one scale a row of all parts, for int8.
    let scales: OpenCLBuffer?
    /// How products quantise their activations; `nil`: not at all.
    let quantisation: ActivationQuantisation?
    // SAFETY (these four): one thread at a time uses a backend and its weights.
    /// The rows as they came; none where they were packed for products and nobody had looked them up.
    nonisolated(unsafe) private(set) var parts: [Part]
    /// All rows in blocks of 16, for products with quantised activations.
    nonisolated(unsafe) private(set) var rowBlocks: OpenCLBuffer?
    /// Whether it was packed, if it can be.
    nonisolated(unsafe) var wasMultiplied = false
    /// Whether rows were looked up, so that they must stay.
    nonisolated(unsafe) private var wasLookedUp = false

    var scalesRegion: BufferRegion? { scales.map { BufferRegion(buffer: $0, elementOffset: 0) } }

    init(
        name: String, format: WeightFormat, columns: Int, parts: [Part], scales: OpenCLBuffer?,
        quantisation: ActivationQuantisation?
    ) {
        self.name = name
        self.format = format
        self.columns = columns
        rows = parts.reduce(0) { $0 + $1.rows }
        partRows = parts.map(\.rows)
        let scaleByteCount = format == .int8 ? MemoryLayout<Float>.size : 0
        byteCount = rows * ((format.rowByteCount(columns: columns) ?? 0) + scaleByteCount)
        self.parts = parts
        self.scales = scales
        self.quantisation = quantisation
    }

    /// Whether rows can be looked up, which they then can for good.
    func prepareLookups() -> Bool {
        if !parts.isEmpty { wasLookedUp = true }
        return !parts.isEmpty
    }

    /// Keeps the packed blocks. Rows that would be in memory a second time go.
    func keep(_ blocks: OpenCLBuffer) {
        rowBlocks = blocks
        if !wasLookedUp, !parts.allSatisfy({ $0.host?.owner.isBackedByFile ?? false }) { parts = [] }
    }

    /// Lets the pages go that hold these of all rows, where they lie in the host's memory.
    func discardRows(_ discarded: Range<Int>) {
        guard let rowByteCount = format.rowByteCount(columns: columns) else { return }
        var start = 0
        for part in parts {
            let rows = discarded.clamped(to: start..<start + part.rows)
            if let host = part.host, !rows.isEmpty {
                let bytes = (rows.lowerBound - start) * rowByteCount..<(rows.upperBound - start) * rowByteCount
                host.owner.discard(UnsafeRawBufferPointer(rebasing: host.pointer[bytes]))
            }
            start += part.rows
        }
    }
}
