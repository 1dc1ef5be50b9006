import CPUBackend
import CPUKernelsProbe
import TensorCore
import TestSupport
import Testing

/// The bytes of packed panels, as the pictures in gemm_f32.inl, packed_panels.inl and pack_int8.inl draw them.
@Suite("packed panels")
struct PackingTests {
    @Test("FP32: NR rows side by side for each column", arguments: RunningSet.ofFloats, WeightFormat.allCases)
    func floats(_ running: RunningSet, _ format: WeightFormat) {
        let nr = running.vectorLanes * (running.vectorLanes == 16 || running.kernels.name == "neon" ? 4 : 2)
        let columns = format.fitting(96)
        var random = SplitMix64(name: "pack \(format.rawValue)")
        let weight = PackedWeight(format: format, partRows: [37], columns: columns, random: &random)
        var panel = [Float](repeating: .nan, count: 64 * columns + 64)
        panel.withUnsafeMutableBytes { bytes in
            weight.withRows { probe_pack_b(running.number, &$0, 0, Int64(columns), bytes.baseAddress) }
        }
        var found: [Double] = []
        var expected: [Double] = []
        for r in 0..<(37 + nr - 1) / nr * nr {
            for k in 0..<columns {
                found.append(Double(panel[r / nr * nr * columns + k * nr + r % nr]))
                // Rows that are not there are zero.
                expected.append(r < 37 ? weight.values.values[r * columns + k] : 0)
            }
        }
        #expect(nmse(found, expected) <= 1e-12)
    }

    /// A panel of B holds quants and scales from which the values of the weight come back.
    @Test(
        "int8: lines of quants, then scales, then minima", arguments: RunningSet.ofInt8,
        WeightFormat.allCases.filter { $0 == .int8 || BlockReference.reads($0) })
    func quants(_ running: RunningSet, _ format: WeightFormat) {
        guard format == .int8 || format.blockSize > 1 else { return }
        let columns = format.fitting(192)
        var random = SplitMix64(name: "quants \(format.rawValue)")
        let weight = PackedWeight(format: format, partRows: [37], columns: columns, random: &random)
        let layout = QuantLayout(running, format, columns: columns)
        var panel = [UInt8](repeating: 0, count: Int(probe_gemm_kernel_of(running.number).packed_b_bytes))
        panel.withUnsafeMutableBytes { bytes in
            weight.withRows { probe_pack_b(running.number, &$0, 0, Int64(columns), bytes.baseAddress) }
        }
        var found: [Double] = []
        panel.withUnsafeBytes { bytes in
            for r in 0..<37 { for k in 0..<columns { found.append(layout.value(bytes, row: r, column: k)) } }
        }
        #expect(nmse(found, weight.values.values) <= 1e-12)
    }

    /// A panel of A holds quads of the tokens' integers, their scales, and corrections for what weights add to quants.
    @Test(
        "int8: quads of tokens, scales and corrections", arguments: RunningSet.ofInt8,
        WeightFormat.allCases.filter { $0 == .int8 || BlockReference.reads($0) })
    func tokens(_ running: RunningSet, _ format: WeightFormat) {
        guard format == .int8 || format.blockSize > 1 else { return }
        for tokens in [5, 16] { check(running, format, tokens: tokens) }
    }

    private func check(_ running: RunningSet, _ format: WeightFormat, tokens: Int) {
        let columns = format.fitting(96), layout = QuantLayout(running, format, columns: columns)
        var random = SplitMix64(name: "tokens \(format.rawValue)")
        let drawn = random.floats(tokens * columns, scale: 1.5)
        let x = QuantisedRow.clear(drawn, columns: columns, groupSize: format.scaleGroupSize)
        let rows = QuantisedRow.rows(x, columns: columns, groupSize: format.scaleGroupSize)
        var panel = [UInt8](repeating: 0xaa, count: Int(probe_packed_a_bytes(running.number, Int64(columns))))
        panel.withUnsafeMutableBytes {
            probe_pack_a(running.number, format.code, x, Int64(tokens), Int64(columns), $0.baseAddress)
        }
        var wrong = 0
        panel.withUnsafeBytes { bytes in
            for t in 0..<16 {
                for k in 0..<columns {
                    let wanted = t < tokens ? rows[t].integers[k] : 0
                    wrong += layout.integer(bytes, token: t, column: k) == wanted ? 0 : 1
                }
                for group in 0..<columns / 16 {
                    let wanted = t < tokens ? rows[t].scales[group] : 0
                    let error = abs(layout.scale(bytes, token: t, group: group) - wanted)
                    wrong += error <= 1e-5 * wanted ? 0 : 1
                    guard t < tokens, !layout.isPaired else { continue }
                    let found = layout.correction(bytes, token: t, group: group)
                    wrong += abs(found - layout.expectedCorrection(rows[t], group: group)) <= 1e-4 ? 0 : 1
                }
            }
        }
        #expect(wrong == 0)
    }
}

/// Where a packed panel of int8 keeps what, read from the pictures in the headers and not from their code.
struct QuantLayout {
    let format: WeightFormat
    let columns: Int
    /// Quants of 8 bits are pairs of 16 bits where there is no instruction for quads.
    let isPaired: Bool
    private let hasDotProducts: Bool
    private let lineBytes: Int

    init(_ running: RunningSet, _ format: WeightFormat, columns: Int) {
        self.format = format
        self.columns = columns
        hasDotProducts = running.kernels.name.hasSuffix("vnni")
        let isWide = [.int8, .q8_0, .iq4_NL, .iq4_XS].contains(format)
        isPaired = isWide && !hasDotProducts
        lineBytes = isPaired ? 128 : 64
    }

    private var hasMinima: Bool { [.q4_1, .q5_1, .q2_K, .q4_K, .q5_K].contains(format) }
    private var lines: Int { (columns + 63) / 64 }
    /// 64 rows of a line, and room for one more that is not used.
    private var lineStride: Int { 65 * lineBytes }
    private var offset: Int {
        switch format {
        case .tq1_0, .tq2_0: 1
        case .q4_0: 8
        case .q5_0: 16
        case .q3_K: 4
        case .q6_K: 32
        case .int8, .q8_0, .iq4_NL, .iq4_XS: hasDotProducts ? 128 : 0
        default: 0
        }
    }

    /// Of a panel of B.
    func value(_ panel: UnsafeRawBufferPointer, row: Int, column: Int) -> Double {
        let line = column / 64, at = line * lineStride + row * lineBytes
        let quant =
            isPaired
            ? Int(panel.loadUnaligned(fromByteOffset: at + column % 64 * 2, as: Int16.self))
            : Int(panel[at + column % 64])
        let scaleAt = lines * lineStride + line * 64 * 16 + row * 16 + column % 64 / format.scaleGroupSize * 4
        let scale = Double(panel.loadUnaligned(fromByteOffset: scaleAt, as: Float.self))
        guard hasMinima else { return scale * Double(quant - offset) }
        let minimum = panel.loadUnaligned(fromByteOffset: scaleAt + lines * 64 * 16, as: Float.self)
        return scale * Double(quant) + Double(minimum)
    }

    private var groupVectors: Int { isPaired ? 8 : 4 }

    /// Of a panel of A.
    func integer(_ panel: UnsafeRawBufferPointer, token: Int, column: Int) -> Int {
        let group = column / 16 * (groupVectors + 2) * 64, inGroup = column % 16
        if isPaired {
            let at = group + inGroup / 2 * 64 + token * 4 + inGroup % 2 * 2
            return Int(panel.loadUnaligned(fromByteOffset: at, as: Int16.self))
        }
        return Int(Int8(bitPattern: panel[group + inGroup / 4 * 64 + token * 4 + inGroup % 4]))
    }

    func scale(_ panel: UnsafeRawBufferPointer, token: Int, group: Int) -> Float {
        let at = (group * (groupVectors + 2) + groupVectors) * 64 + token * 4
        return panel.loadUnaligned(fromByteOffset: at, as: Float.self)
    }

    func correction(_ panel: UnsafeRawBufferPointer, token: Int, group: Int) -> Double {
        let at = (group * (groupVectors + 2) + groupVectors + 1) * 64 + token * 4
        return hasMinima
            ? Double(panel.loadUnaligned(fromByteOffset: at, as: Float.self))
            : Double(panel.loadUnaligned(fromByteOffset: at, as: Int32.self))
    }

    func expectedCorrection(_ row: QuantisedRow, group: Int) -> Double {
        let size = format.scaleGroupSize, begin = group * 16 / size * size
        let sum = row.integers[begin..<begin + size].reduce(0, +)
        return hasMinima ? Double(sum) * Double(row.scales[group]) : Double(-offset * sum)
    }
}

extension WeightFormat {
    /// The next number of columns of whole blocks.
    func fitting(_ columns: Int) -> Int { (columns + blockSize - 1) / blockSize * blockSize }
}
