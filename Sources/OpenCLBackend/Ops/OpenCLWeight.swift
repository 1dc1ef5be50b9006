internal import TensorCore

/// A weight in device memory, or in host memory that the device reads.
final class OpenCLWeight: Weight {
    /// Rows of one part, packed one behind the other.
    struct Part: Sendable {
        let rows: Int
        /// The buffer with row 0 at `byteOffset`; parts may share a buffer.
        let buffer: OpenCLBuffer
        let byteOffset: Int

        /// Where the part lies, counted in elements of the format; in bytes where those come in blocks.
        func region(_ format: WeightFormat) -> BufferRegion {
            BufferRegion(
                buffer: buffer, elementOffset: format.blockSize > 1 ? byteOffset : byteOffset / format.blockByteCount)
        }
    }

    let name: String
    let format: WeightFormat
    let columns: Int
    let parts: [Part]
    /// `[N]` float32, one scale a row of all parts, for int8.
    let scales: OpenCLBuffer?
    /// How products quantise their activations; `nil`: not at all.
    let quantisation: ActivationQuantisation?

    var rows: Int { parts.reduce(0) { $0 + $1.rows } }
    var partRows: [Int] { parts.map(\.rows) }
    var scalesRegion: BufferRegion? { scales.map { BufferRegion(buffer: $0, elementOffset: 0) } }

    init(
        name: String, format: WeightFormat, columns: Int, parts: [Part], scales: OpenCLBuffer?,
        quantisation: ActivationQuantisation?
    ) {
        self.name = name
        self.format = format
        self.columns = columns
        self.parts = parts
        self.scales = scales
        self.quantisation = quantisation
    }
}
