internal import TensorCore

/// A weight in device memory, or in host memory that the device reads.
final class OpenCLWeight: Weight {
    /// Rows of one part, lying together.
    struct Part: Sendable {
        let rows: Int
        /// Row 0 of the part; parts may share a buffer.
        let buffer: OpenCLBuffer
        let byteOffset: Int
        /// FP32 scales, one a row, for int8.
        let scales: OpenCLBuffer?
        let scalesByteOffset: Int

        /// Where the part lies, counted in elements of the format (bytes for int8, 2-byte words for 16-bit formats).
        func region(_ format: WeightFormat) -> BufferRegion {
            BufferRegion(buffer: buffer, elementOffset: byteOffset / format.blockByteCount)
        }

        var scalesRegion: BufferRegion? {
            scales.map { BufferRegion(buffer: $0, elementOffset: scalesByteOffset / MemoryLayout<Float>.size) }
        }
    }

    let name: String
    let format: WeightFormat
    let columns: Int
    let parts: [Part]
    /// How rows lie in memory: 1 where each row is contiguous; otherwise `panelRows` rows are interleaved column by
    /// column, so that element `(r, k)` of a part of panels lies at
    /// `(r / panelRows * columns + k) * panelRows + r % panelRows`, and the last panel is filled up with zeros.
    let panelRows: Int

    var rows: Int { parts.reduce(0) { $0 + $1.rows } }
    var partRows: [Int] { parts.map(\.rows) }

    init(name: String, format: WeightFormat, columns: Int, parts: [Part], panelRows: Int = 1) {
        self.name = name
        self.format = format
        self.columns = columns
        self.parts = parts
        self.panelRows = panelRows
    }
}
