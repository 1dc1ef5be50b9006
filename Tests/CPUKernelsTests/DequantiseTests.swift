import CPUBackend
import CPUKernelsProbe
import TensorCore
import TestSupport
import Testing

@Suite("dequantising")
struct DequantiseTests {
    @Test("a row gives the values it was packed from", arguments: RunningSet.ofFloats, WeightFormat.allCases)
    func rows(_ running: RunningSet, _ format: WeightFormat) {
        for columns in [format.fitting(32), format.fitting(512)] {
            var random = SplitMix64(name: "dequantise \(format.rawValue) \(columns)")
            let weight = PackedWeight(format: format, partRows: [1], columns: columns, random: &random)
            var values = [Float](repeating: .nan, count: columns)
            weight.withRows { rows in
                probe_dequantise(running.number, format.code, rows.rows, Int64(columns), &values)
                if let scale = rows.scales?.pointee { values = values.map { $0 * scale } }
            }
            #expect(nmse(values.map(Double.init), weight.values.values) <= 1e-12, "\(format.rawValue) K=\(columns)")
        }
    }

    /// All bits of a block set, or none, or in turn, so that no bit of a quant or a scale is left out.
    @Test(
        "extreme bytes", arguments: RunningSet.ofFloats,
        WeightFormat.allCases.filter { $0.blockSize > 1 && BlockReference.reads($0) })
    func extremes(_ running: RunningSet, _ format: WeightFormat) {
        let columns = format.blockSize
        let weight = PackedWeight(
            format: format, fillings: [0xff, 0x80, 0x00, 0x7f, 0x0f, 0xf0, 0x55, 0xaa], rows: 8, columns: columns)
        weight.withRows { rows in
            for row in 0..<8 {
                var values = [Float](repeating: .nan, count: columns)
                let from = rows.rows.map { $0 + row * Int(rows.row_bytes) }
                probe_dequantise(running.number, format.code, from, Int64(columns), &values)
                let expected = Array(weight.values.values[row * columns..<(row + 1) * columns])
                let differing = zip(values, expected).filter { abs(Double($0) - $1) > abs($1) * 1e-6 }
                #expect(differing.isEmpty, "\(format.rawValue) row \(row): \(differing.prefix(3))")
            }
        }
    }
}
