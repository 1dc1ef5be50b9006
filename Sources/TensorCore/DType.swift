/// The type of one element of a tensor, in a file or in device memory.
public enum DType: String, Sendable, Hashable, CaseIterable {
    case float64, float32, float16, bfloat16
    case int64, int32, int16, int8, uint8, bool

    /// Bytes that one element takes.
    public var byteCount: Int {
        switch self {
        case .float64, .int64: 8
        case .float32, .int32: 4
        case .float16, .bfloat16, .int16: 2
        case .int8, .uint8, .bool: 1
        }
    }
}

/// The number format of a weight matrix as the backends compute from it.
///
/// Every format stores a row of `K` values as whole blocks, so a row is a whole number of bytes and rows lie one behind
/// the other. Scales that belong to a whole row (`int8`) are kept beside the matrix, not in it.
public enum WeightFormat: String, Sendable, Hashable, CaseIterable {
    /// IEEE 754 binary32.
    case float32
    /// The upper half of a binary32: 8 bits of exponent, 7 of mantissa.
    case bfloat16
    /// IEEE 754 binary16.
    case float16
    /// Symmetric 8-bit integers in -127...127 with one FP32 scale an output channel (a row): `w = scale[n] * q[n, k]`.
    case int8
    /// GGUF's blocks of 32 values of a row: a binary16 scale, then 32 integers of 8 bits: `w = scale * q`.
    case q8_0
    // GGUF's other block formats: levels of 2 to 6 bits, with scales (and in some offsets) of 16 or 32 values each. See
    // `dequantize_row_*` of ggml for their layouts.
    case q4_0, q4_1, q5_0, q5_1, q2_K, q3_K, q4_K, q5_K, q6_K
    /// Levels of 4 bits that stand for the entries of a table of their own.
    case iq4_NL, iq4_XS

    /// Values that one block of the format holds.
    public var blockSize: Int {
        switch self {
        case .float32, .bfloat16, .float16, .int8: 1
        case .q8_0, .q4_0, .q4_1, .q5_0, .q5_1, .iq4_NL: 32
        case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K, .iq4_XS: 256
        }
    }

    /// Bytes that one block of the format takes.
    public var blockByteCount: Int {
        switch self {
        case .float32: 4
        case .bfloat16, .float16: 2
        case .int8: 1
        case .q4_0, .iq4_NL: 18
        case .q4_1: 20
        case .q5_0: 22
        case .q5_1: 24
        case .q8_0: 34
        case .q2_K: 84
        case .q3_K: 110
        case .iq4_XS: 136
        case .q4_K: 144
        case .q5_K: 176
        case .q6_K: 210
        }
    }

    /// The alignment in bytes that kernels may want of a row: that of the widest number in a block.
    public var alignment: Int { blockSize > 1 ? 2 : blockByteCount }

    /// Bytes of one row of `columns` values, or `nil` where the row is no whole number of blocks or overflows.
    public func rowByteCount(columns: Int) -> Int? {
        guard columns >= 0, columns % blockSize == 0 else { return nil }
        let (bytes, overflow) = (columns / blockSize).multipliedReportingOverflow(by: blockByteCount)
        return overflow ? nil : bytes
    }
}
