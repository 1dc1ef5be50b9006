public import TensorCore

/// A random weight matrix in one format, with the exact values that its stored numbers stand for.
///
/// - `N`: rows of all parts; `K`: columns.
public struct PackedWeight: Sendable {
    public let source: WeightSource
    /// `[N, K]`, dequantised.
    public let values: Matrix

    /// Random values of about unit output variance, packed in parts of `partRows` rows.
    public init(format: WeightFormat, partRows: [Int], columns: Int, random: inout SplitMix64) {
        let scale = 1 / Float(max(columns, 1)).squareRoot()
        var parts: [WeightPart] = []
        var values: [Double] = []
        for rows in partRows {
            let raw = random.floats(rows * columns, scale: scale)
            let packed = PackedWeight.pack(raw, format: format, rows: rows, columns: columns)
            parts.append(packed.part)
            values += packed.values
        }
        source = WeightSource(name: "case.\(format.rawValue)", format: format, columns: columns, parts: parts)
        self.values = Matrix(rows: partRows.reduce(0, +), columns: columns, values: values)
    }

    /// Values `[N, K]` as the format rounds them.
    public init(format: WeightFormat, _ values: [Float], columns: Int) {
        let rows = values.count / columns
        let packed = PackedWeight.pack(values, format: format, rows: rows, columns: columns)
        source = WeightSource(name: "case.\(format.rawValue)", format: format, columns: columns, parts: [packed.part])
        self.values = Matrix(rows: rows, columns: columns, values: packed.values)
    }

    /// Rows of int8 or of blocks that consist of one byte each, in turn, but for binary16 scales, which are 1/8.
    public init(format: WeightFormat, fillings: [UInt8], rows: Int, columns: Int) {
        let rowByteCount = columns / format.blockSize * format.blockByteCount
        var bytes = (0..<rows * rowByteCount).map { fillings[$0 / rowByteCount % fillings.count] }
        var values = bytes.map { 0.125 * Double(Int8(bitPattern: $0)) }
        var scales: HostBytes?
        if format == .int8 {
            scales = PackedWeight.hostBytes([Float](repeating: 0.125, count: rows).withUnsafeBytes { Array($0) })
        } else {
            let scale = Float16(0.125).bitPattern
            for block in stride(from: 0, to: bytes.count, by: format.blockByteCount) {
                for place in BlockReference.halves(format) {
                    (bytes[block + place], bytes[block + place + 1]) = (UInt8(scale & 255), UInt8(scale >> 8))
                }
            }
            values = BlockReference.decode(bytes, format)
        }
        let part = WeightPart(rows: rows, bytes: PackedWeight.hostBytes(bytes), scales: scales)
        source = WeightSource(name: "filled.\(format.rawValue)", format: format, columns: columns, parts: [part])
        self.values = Matrix(rows: rows, columns: columns, values: values)
    }

    private static func pack(
        _ raw: [Float], format: WeightFormat, rows: Int, columns: Int
    ) -> (part: WeightPart, values: [Double]) {
        switch format {
        case .float32: packElements(raw, .float32, rows: rows)
        case .bfloat16: packElements(raw, .bfloat16, rows: rows)
        case .float16: packElements(raw, .float16, rows: rows)
        case .int8: packInt8(raw, rows: rows, columns: columns)
        case .q8_0: packQ8(raw, rows: rows)
        default: packBlocks(raw, format: format, rows: rows)
        }
    }

    private static func packElements(_ raw: [Float], _ dtype: DType, rows: Int) -> (part: WeightPart, values: [Double])
    {
        let bytes = NumberFormats.encode(raw, as: dtype)
        return (
            WeightPart(rows: rows, bytes: hostBytes(bytes)), NumberFormats.decode(bytes, as: dtype).map(Double.init)
        )
    }

    /// Symmetric quantisation with the largest magnitude of a row at 127, as `WeightFormat.int8` says.
    private static func packInt8(_ raw: [Float], rows: Int, columns: Int) -> (part: WeightPart, values: [Double]) {
        var quantised: [Int8] = []
        var scales: [Float] = []
        var values: [Double] = []
        for row in 0..<rows {
            let slice = raw[row * columns..<(row + 1) * columns]
            let largest = slice.reduce(0) { max($0, abs($1)) }
            let scale = largest > 0 ? largest / 127 : 1
            scales.append(scale)
            for value in slice {
                let quantum = Int8(max(-127, min(127, (value / scale).rounded(.toNearestOrEven))))
                quantised.append(quantum)
                values.append(Double(scale) * Double(quantum))
            }
        }
        let part = WeightPart(
            rows: rows, bytes: hostBytes(quantised.map(UInt8.init(bitPattern:))),
            scales: hostBytes(scales.withUnsafeBytes { Array($0) }))
        return (part, values)
    }

    /// Blocks of 32 with the largest magnitude of a block at 127, as `WeightFormat.q8_0` says.
    private static func packQ8(_ raw: [Float], rows: Int) -> (part: WeightPart, values: [Double]) {
        var bytes: [UInt8] = []
        var values: [Double] = []
        for start in stride(from: 0, to: raw.count, by: 32) {
            let block = raw[start..<start + 32]
            let scale = Float16(block.reduce(0) { max($0, abs($1)) } / 127)
            bytes += withUnsafeBytes(of: scale.bitPattern.littleEndian) { Array($0) }
            for value in block {
                let level = scale == 0 ? 0 : max(-127, min(127, (value / Float(scale)).rounded(.toNearestOrEven)))
                bytes.append(UInt8(bitPattern: Int8(level)))
                values.append(Double(scale) * Double(level))
            }
        }
        return (WeightPart(rows: rows, bytes: hostBytes(bytes)), values)
    }

    /// Any bytes are quants and small scales; only the binary16 scales must be sane. Where there is no second reading of
    /// random bytes, golden blocks in random order.
    private static func packBlocks(
        _ raw: [Float], format: WeightFormat, rows: Int
    ) -> (part: WeightPart, values: [Double]) {
        let blockCount = raw.count / format.blockSize
        guard BlockReference.reads(format) else {
            return packGolden(blockCount, format: format, rows: rows, seed: UInt64(raw.first?.bitPattern ?? 0))
        }
        var random = SplitMix64(seed: UInt64(raw.first?.bitPattern ?? 0))
        var bytes = (0..<blockCount * format.blockByteCount).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        for block in 0..<blockCount {
            for place in BlockReference.halves(format) {
                let scale = Float16(random.floats(1, scale: 0.004)[0])
                let start = block * format.blockByteCount + place
                (bytes[start], bytes[start + 1]) = (UInt8(scale.bitPattern & 255), UInt8(scale.bitPattern >> 8))
            }
        }
        return (WeightPart(rows: rows, bytes: hostBytes(bytes)), BlockReference.decode(bytes, format))
    }

    private static func packGolden(
        _ blockCount: Int, format: WeightFormat, rows: Int, seed: UInt64
    ) -> (part: WeightPart, values: [Double]) {
        guard let golden = try? GoldenBlocks(format.numberFormat) else {
            preconditionFailure("\(format) has no golden blocks; see Tools/make_format_fixtures.py")
        }
        var random = SplitMix64(seed: seed)
        var (bytes, values): ([UInt8], [Double]) = ([], [])
        for _ in 0..<blockCount {
            let block = Int.random(in: 0..<golden.blockCount, using: &random)
            bytes += golden.bytes[block * golden.blockByteCount..<(block + 1) * golden.blockByteCount]
            values += golden.values[block * golden.blockSize..<(block + 1) * golden.blockSize].map(Double.init)
        }
        return (WeightPart(rows: rows, bytes: hostBytes(bytes)), values)
    }

    /// A copy of `bytes` that lives as long as whoever holds it.
    public static func hostBytes(_ bytes: [UInt8]) -> HostBytes {
        let allocation = HostAllocation(byteCount: bytes.count)
        allocation.pointer.copyBytes(from: bytes)
        return allocation.bytes
    }
}

extension WeightFormat {
    /// The formats that take any number of columns.
    public static var elementwise: [WeightFormat] { allCases.filter { $0.blockSize == 1 } }

    /// GGUF's block formats.
    public static var blocked: [WeightFormat] { allCases.filter { $0.blockSize > 1 } }
}
