import CPUBackend
import CPUKernelsProbe
import TensorCore
import TestSupport
import Testing

/// The bytes of weights packed in blocks of 16 rows, as the pictures in row_blocks.h and row_blocks_floats.inl draw them.
@Suite("blocks of rows")
struct RowBlockTests {
    @Test("the values come back, and what pads is zero", arguments: RunningSet.all, WeightFormat.allCases)
    func values(_ running: RunningSet, _ format: WeightFormat) {
        for (rows, wanted) in [(16, 32), (37, 96), (5, 512), (21, 45)] {
            let columns = format.fitting(wanted)
            let blockBytes = Int(probe_row_block_bytes(running.number, format.code, Int64(columns)))
            guard blockBytes > 0 else { return }
            var random = SplitMix64(name: "blocks \(format.rawValue) \(rows)")
            let weight = PackedWeight(format: format, partRows: [rows], columns: columns, random: &random)
            let blocks = (rows + 15) / 16
            var packed = [UInt8](repeating: 0xaa, count: blocks * blockBytes + 64)
            packed.withUnsafeMutableBytes { bytes in
                weight.withRows { probe_pack_row_blocks(running.number, &$0, bytes.baseAddress) }
            }
            // Those without an instruction for quads, and Arm's, which takes signed quants.
            let takesSigned = running.kernels.name.hasSuffix("int8") || running.kernels.instructionSet == .neon
            let layout = RowBlockLayout(format, columns: columns, addsOffset: !takesSigned)
            #expect(blockBytes == (layout.byteCount + 63) / 64 * 64)
            #expect(packed[(blocks * blockBytes)...].allSatisfy { $0 == 0xaa }, "bytes behind the last block")
            var wrong = 0
            for r in 0..<blocks * 16 {
                let block = Array(packed[r / 16 * blockBytes..<(r / 16 + 1) * blockBytes])
                for k in 0..<columns {
                    let wanted = r < rows ? weight.values.values[r * columns + k] : 0
                    wrong += abs(layout.value(block, row: r % 16, column: k) - wanted) <= 1e-6 * abs(wanted) ? 0 : 1
                }
            }
            #expect(wrong == 0, "\(wrong) of \(rows) x \(columns)")
        }
    }

    @Test("AVX512_VNNI packs what files mostly hold")
    func formats() throws {
        guard let set = RunningSet.all.first(where: { $0.kernels.name == "avx512_vnni" }) else { return }
        for format in [WeightFormat.int8, .q8_0, .q4_0, .q2_K, .q3_K, .q4_K, .q5_0, .q5_K, .q6_K, .iq4_NL, .iq4_XS] {
            let columns = format.fitting(2048), rowBytes = try #require(format.rowByteCount(columns: columns))
            let blockBytes = Int(probe_row_block_bytes(set.number, format.code, Int64(columns)))
            #expect(blockBytes >= 16 * rowBytes && Double(blockBytes) <= 1.04 * Double(16 * rowBytes))
        }
    }
}

/// Where a block keeps what, read from the picture and not from the code.
private struct RowBlockLayout {
    let format: WeightFormat
    let columns: Int

    private let isMXFP4: Bool
    /// Whether quants of 8 bits have 128 added, for an instruction that takes unsigned ones.
    private let addsOffset: Bool

    init(_ format: WeightFormat, columns: Int, addsOffset: Bool) {
        isMXFP4 = format.rawValue == "mxfp4"
        self.addsOffset = addsOffset
        self.format = format
        self.columns = columns
    }

    private static let iq4: [Double] = [
        -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
    ]
    private static let e2m1: [Double] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]

    private var bits: Int {
        switch format {
        case .q8_0, .int8: 8
        case .q6_K: 6
        case .q5_0, .q5_1, .q5_K: 5
        case .q3_K: 3
        case .q2_K, .tq2_0, .tq1_0: 2
        default: 4
        }
    }
    private var hasFactors: Bool { format.blockSize == 256 }
    private var hasMinima: Bool { [.q4_1, .q5_1, .q2_K, .q4_K, .q5_K].contains(format) }
    /// Whether 16 columns have a scale, not 32.
    private var hasHalves: Bool { [.q2_K, .q3_K, .q6_K].contains(format) }
    private var isTernary: Bool { [.tq1_0, .tq2_0].contains(format) }
    private var groupBytes: Int { bits * 64 }
    private var scaleBytes: Int {
        if isMXFP4 { return 16 }
        if isTernary || format == .int8 { return 0 }
        if hasFactors { return hasMinima || hasHalves ? 32 : 16 }
        return hasMinima ? 64 : 32
    }
    private var scalesAt: Int { columns / 32 * groupBytes }
    private var factorsAt: Int { scalesAt + columns / 32 * scaleBytes }
    var byteCount: Int {
        if format.blockSize == 1, format != .int8 { return columns * 16 * format.blockByteCount }
        return factorsAt + (format == .int8 ? 64 : hasFactors ? columns / 256 * (hasMinima ? 64 : 32) : 0)
    }

    private func half(_ block: [UInt8], _ at: Int) -> Double {
        Double(Float16(bitPattern: UInt16(block[at]) | UInt16(block[at + 1]) << 8))
    }

    private func single(_ block: [UInt8], _ at: Int) -> Double {
        Double(Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(block[at + $1]) << (8 * $1) }))
    }

    private func stored(_ block: [UInt8], row: Int, column: Int) -> Int {
        let group = column / 32 * groupBytes, half = column % 32 / 16, vector = column % 16 / 4
        let at = row * 4 + column % 4
        if bits == 8 { return Int(block[group + (half * 4 + vector) * 64 + at]) }
        if bits < 4 {
            let low = Int(block[group + vector / 2 * 64 + at]) >> (4 * (vector % 2) + 2 * half) & 3
            return bits == 2 ? low : low | (Int(block[group + 128 + at]) >> (vector + 4 * half) & 1) << 2
        }
        let low = Int(block[group + vector * 64 + at]) >> (4 * half) & 15
        if bits == 5 { return low | (Int(block[group + 256 + at]) >> (vector + 4 * half) & 1) << 4 }
        if bits == 6 {
            return low | (Int(block[group + 256 + vector / 2 * 64 + at]) >> (4 * (vector % 2) + 2 * half) & 3) << 4
        }
        return low
    }

    private func level(_ stored: Int) -> Double {
        if isMXFP4 { return Self.e2m1[stored] }
        return switch format {
        case .iq4_NL, .iq4_XS: Self.iq4[stored]
        case .q8_0, .int8: addsOffset ? Double(stored - 128) : Double(Int8(truncatingIfNeeded: stored))
        case .q4_0: Double(stored - 8)
        case .q5_0: Double(stored - 16)
        case .q6_K: Double(stored - 32)
        case .q3_K: Double(stored - 4)
        case .tq1_0, .tq2_0: Double(stored - 1)
        default: Double(stored)
        }
    }

    func value(_ block: [UInt8], row: Int, column: Int) -> Double {
        let place = column * 16 + row
        switch format {
        case .float32: return single(block, place * 4)
        case .float16: return half(block, place * 2)
        case .bfloat16: return single([0, 0] + block[place * 2...place * 2 + 1], 0)
        default: break
        }
        let level = level(stored(block, row: row, column: column))
        let at = scalesAt + column / 32 * scaleBytes
        if format == .int8 { return level * single(block, factorsAt + 4 * row) }
        if isMXFP4 { return level * Double(sign: .plus, exponent: Int(block[at + row]) - 128, significand: 1) }
        if !hasFactors {
            return level * half(block, at + 2 * row) + (hasMinima ? half(block, at + 32 + 2 * row) : 0)
        }
        let factors = factorsAt + column / 256 * (hasMinima ? 64 : 32)
        let factor = half(block, factors + 2 * row)
        if isTernary { return level * factor }
        let second = hasHalves && column % 32 >= 16 ? 16 : 0
        if format == .q2_K {
            let both = block[at + second + row]
            return level * factor * Double(both & 15) - half(block, factors + 32 + 2 * row) * Double(both >> 4)
        }
        if hasMinima {
            return level * factor * Double(block[at + row])
                - half(block, factors + 32 + 2 * row) * Double(block[at + 16 + row])
        }
        return level * factor * Double(Int8(bitPattern: block[at + second + row]))
    }
}
