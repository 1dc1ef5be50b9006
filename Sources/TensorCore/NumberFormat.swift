internal import NumberFormats

/// How numbers lie in a file or in a weight: a row of the table in `NumberFormats.h`, which alone knows the sizes.
///
/// `rawValue` is the name that safetensors and GGUF files give the format.
public struct NumberFormat: RawRepresentable, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    private let id: number_format

    init(_ id: number_format) { self.id = id }

    public init?(rawValue: String) {
        guard let format = NumberFormat.byName[rawValue] else { return nil }
        self = format
    }

    /// The format that GGUF files number so (`ggml_type`); `nil` where the table has none.
    public init?(ggufType: UInt32) {
        guard let format = NumberFormat.byGGUFType[ggufType] else { return nil }
        self = format
    }

    /// Every row of the table, in its order.
    public static let allCases = (0..<NUMBER_FORMAT_COUNT.rawValue).map { NumberFormat(number_format($0)) }
    private static let byName = Dictionary(uniqueKeysWithValues: allCases.map { ($0.rawValue, $0) })
    private static let byGGUFType = Dictionary(
        uniqueKeysWithValues: allCases.compactMap { format in format.ggufType.map { ($0, format) } })

    private var row: number_format_row { number_format_row_of(id).pointee }

    public var rawValue: String { String(cString: row.name) }
    public var description: String { rawValue }
    /// `number_format` in C.
    package var code: UInt32 { id.rawValue }
    /// The number in GGUF files; `nil` where they have none.
    public var ggufType: UInt32? { UInt32(exactly: row.gguf_type) }
    /// Values that one block holds; 1 where each stands for itself.
    public var blockSize: Int { Int(row.block_size) }
    /// Bytes that one block takes.
    public var blockByteCount: Int { Int(row.block_bytes) }
    /// Values of a block that share a scale; `nil` where blocks have none.
    public var groupSize: Int? { row.group_size > 0 ? Int(row.group_size) : nil }
    /// Whether a group adds a minimum: `w = scale * quant + minimum`, not `w = scale * (quant - quantOffset)`.
    public var hasMinima: Bool { row.has_minima }
    /// What is subtracted from an unsigned quant; 128 where quants are signed bytes, as stored or from a table.
    public var quantOffset: Int { Int(row.quant_offset) }
    /// The format of a block's own scale, the widest number in it.
    package var scaleFormat: NumberFormat { NumberFormat(row.scale_format) }
    /// Where in a block its scales lie, and how many: 2 where the minima have one of their own.
    package var scaleByteOffset: Int { Int(row.scale_at) }
    package var scaleCount: Int { Int(row.scale_count) }
    /// The largest magnitude of what a block's scale multiplies.
    package var largestScaled: Float { Float(row.largest) }
    /// The alignment in bytes that kernels may want of a row: that of the widest number in a block.
    public var alignment: Int { blockSize > 1 ? scaleFormat.blockByteCount : blockByteCount }

    /// The weight format's name, where weights are computed in it.
    fileprivate var weightName: String? { row.weight_name.map { String(cString: $0) } }
}

// Formats that code names. Those that it only finds in the table need no line here.
extension NumberFormat {
    public static let float64 = NumberFormat(NUMBER_FORMAT_F64)
    public static let float32 = NumberFormat(NUMBER_FORMAT_F32)
    public static let float16 = NumberFormat(NUMBER_FORMAT_F16)
    public static let bfloat16 = NumberFormat(NUMBER_FORMAT_BF16)
    public static let int64 = NumberFormat(NUMBER_FORMAT_I64)
    public static let int32 = NumberFormat(NUMBER_FORMAT_I32)
    public static let int16 = NumberFormat(NUMBER_FORMAT_I16)
    public static let int8 = NumberFormat(NUMBER_FORMAT_I8)
    public static let uint64 = NumberFormat(NUMBER_FORMAT_U64)
    public static let uint32 = NumberFormat(NUMBER_FORMAT_U32)
    public static let uint16 = NumberFormat(NUMBER_FORMAT_U16)
    public static let uint8 = NumberFormat(NUMBER_FORMAT_U8)
    public static let bool = NumberFormat(NUMBER_FORMAT_BOOL)
    public static let complex64 = NumberFormat(NUMBER_FORMAT_C64)
    public static let float8e4m3 = NumberFormat(NUMBER_FORMAT_F8_E4M3)
    public static let float8e5m2 = NumberFormat(NUMBER_FORMAT_F8_E5M2)
    public static let float8e8m0 = NumberFormat(NUMBER_FORMAT_F8_E8M0)
    public static let q8_0 = NumberFormat(NUMBER_FORMAT_Q8_0)
    public static let q4_0 = NumberFormat(NUMBER_FORMAT_Q4_0)
    public static let q4_1 = NumberFormat(NUMBER_FORMAT_Q4_1)
    public static let q5_0 = NumberFormat(NUMBER_FORMAT_Q5_0)
    public static let q5_1 = NumberFormat(NUMBER_FORMAT_Q5_1)
    public static let q2_K = NumberFormat(NUMBER_FORMAT_Q2_K)
    public static let q3_K = NumberFormat(NUMBER_FORMAT_Q3_K)
    public static let q4_K = NumberFormat(NUMBER_FORMAT_Q4_K)
    public static let q5_K = NumberFormat(NUMBER_FORMAT_Q5_K)
    public static let q6_K = NumberFormat(NUMBER_FORMAT_Q6_K)
    public static let iq4_NL = NumberFormat(NUMBER_FORMAT_IQ4_NL)
    public static let iq4_XS = NumberFormat(NUMBER_FORMAT_IQ4_XS)
    public static let mxfp4 = NumberFormat(NUMBER_FORMAT_MXFP4)
    public static let tq2_0 = NumberFormat(NUMBER_FORMAT_TQ2_0)
    public static let tq1_0 = NumberFormat(NUMBER_FORMAT_TQ1_0)
}

extension NumberFormat {
    /// The format of a tensor's elements.
    public init(_ dtype: DType) {
        self =
            switch dtype {
            case .float64: .float64
            case .float32: .float32
            case .float16: .float16
            case .bfloat16: .bfloat16
            case .int64: .int64
            case .int32: .int32
            case .int16: .int16
            case .int8: .int8
            case .uint8: .uint8
            case .bool: .bool
            }
    }

    /// The type that tensors of the engine use, or `nil` where they have none for it.
    public var dtype: DType? { DType.allCases.first { NumberFormat($0) == self } }
}

/// The number format of a weight matrix as the backends compute from it: the rows of the table that name one.
///
/// Every format stores a row of `K` values as whole blocks, so a row is a whole number of bytes and rows lie one behind
/// the other. Scales that belong to a whole row (`int8`) are kept beside the matrix, not in it.
public struct WeightFormat: RawRepresentable, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    public let numberFormat: NumberFormat

    /// `nil` where no backend computes from the format.
    public init?(_ format: NumberFormat) {
        guard format.weightName != nil else { return nil }
        numberFormat = format
    }

    private init(named id: number_format) { numberFormat = NumberFormat(id) }

    public init?(rawValue: String) {
        guard let format = WeightFormat.allCases.first(where: { $0.rawValue == rawValue }) else { return nil }
        self = format
    }

    /// All formats of weights, in the table's order.
    public static let allCases = NumberFormat.allCases.compactMap(WeightFormat.init)

    public var rawValue: String { numberFormat.weightName ?? numberFormat.rawValue }
    public var description: String { rawValue }
    /// Values that one block of the format holds.
    public var blockSize: Int { numberFormat.blockSize }
    /// Bytes that one block of the format takes.
    public var blockByteCount: Int { numberFormat.blockByteCount }
    /// The alignment in bytes that kernels may want of a row.
    public var alignment: Int { numberFormat.alignment }

    /// Bytes of one row of `columns` values, or `nil` where the row is no whole number of blocks or overflows.
    public func rowByteCount(columns: Int) -> Int? {
        guard columns >= 0, columns % blockSize == 0 else { return nil }
        let (bytes, overflow) = (columns / blockSize).multipliedReportingOverflow(by: blockByteCount)
        return overflow ? nil : bytes
    }

    /// The least number of columns from `columns` on that is a whole number of blocks.
    package func fitting(_ columns: Int) -> Int { (columns + blockSize - 1) / blockSize * blockSize }
}

extension WeightFormat {
    /// IEEE 754 binary32.
    public static let float32 = WeightFormat(named: NUMBER_FORMAT_F32)
    /// The upper half of a binary32: 8 bits of exponent, 7 of mantissa.
    public static let bfloat16 = WeightFormat(named: NUMBER_FORMAT_BF16)
    /// IEEE 754 binary16.
    public static let float16 = WeightFormat(named: NUMBER_FORMAT_F16)
    /// Symmetric 8-bit integers in -127...127 with one FP32 scale an output channel (a row): `w = scale[n] * q[n, k]`.
    public static let int8 = WeightFormat(named: NUMBER_FORMAT_I8)
    public static let q8_0 = WeightFormat(named: NUMBER_FORMAT_Q8_0)
    public static let q4_0 = WeightFormat(named: NUMBER_FORMAT_Q4_0)
    public static let q4_1 = WeightFormat(named: NUMBER_FORMAT_Q4_1)
    public static let q5_0 = WeightFormat(named: NUMBER_FORMAT_Q5_0)
    public static let q5_1 = WeightFormat(named: NUMBER_FORMAT_Q5_1)
    public static let q2_K = WeightFormat(named: NUMBER_FORMAT_Q2_K)
    public static let q3_K = WeightFormat(named: NUMBER_FORMAT_Q3_K)
    public static let q4_K = WeightFormat(named: NUMBER_FORMAT_Q4_K)
    public static let q5_K = WeightFormat(named: NUMBER_FORMAT_Q5_K)
    public static let q6_K = WeightFormat(named: NUMBER_FORMAT_Q6_K)
    public static let iq4_NL = WeightFormat(named: NUMBER_FORMAT_IQ4_NL)
    public static let tq2_0 = WeightFormat(named: NUMBER_FORMAT_TQ2_0)
    public static let tq1_0 = WeightFormat(named: NUMBER_FORMAT_TQ1_0)
    public static let iq4_XS = WeightFormat(named: NUMBER_FORMAT_IQ4_XS)
}
