internal import TensorCore

/// How the rows of a weight lie in blocks of 16 that products with quantised activations read
/// (Kernels/matmul/row_blocks_cpu.cl).
struct RowBlockLayout {
    static let rowCount = 16
    /// Columns of a group, which has scales of its own.
    private static let groupColumns = 32

    /// Bits of a quant.
    private let quantBits: Int
    /// Bytes of the scales of a group of 16 rows, and of the factors of a block of 256 columns; 0: there are none.
    private let groupScaleByteCount: Int
    private let factorByteCount: Int

    init(_ format: WeightFormat) {
        let number = format.numberFormat
        let groupSize = number.groupSize ?? 0
        quantBits =
            switch format {
            case .int8, .q8_0: 8
            case .q6_K: 6
            case .q5_0, .q5_1, .q5_K: 5
            case .q3_K: 3
            case .q2_K, .tq2_0, .tq1_0: 2
            default: 4
            }
        let hasFactors = number.blockSize > Self.groupColumns
        let scaleByteCount =
            if number.blockSize == 1 || groupSize > Self.groupColumns {
                0
            } else if hasFactors {
                // A byte for each 32 columns, or two for each 16; with minima two, those of Q2_K being half a byte.
                number.hasMinima || groupSize < Self.groupColumns ? 2 : 1
            } else {
                number.scaleFormat.blockByteCount * number.scaleCount
            }
        groupScaleByteCount = scaleByteCount * Self.rowCount
        factorByteCount = hasFactors ? number.scaleFormat.blockByteCount * number.scaleCount * Self.rowCount : 0
    }

    /// Bytes of a block of 16 rows; `nil` where rows are no whole groups.
    func byteCount(columns: Int) -> Int? {
        guard columns % Self.groupColumns == 0 else { return nil }
        let groupByteCount = quantBits * Self.groupColumns * Self.rowCount / 8 + groupScaleByteCount
        let used = columns / Self.groupColumns * groupByteCount + columns / 256 * factorByteCount
        return ceilDivide(used, 64) * 64
    }

    /// The build macros of the kernels that read or write blocks.
    var macros: [(name: String, value: Int)] {
        [
            ("QUANT_BITS", quantBits), ("GROUP_SCALE_BYTES", groupScaleByteCount), ("FACTOR_BYTES", factorByteCount),
        ]
    }
}
