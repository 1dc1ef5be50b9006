import CPUBackend
import CPUKernelsProbe
import TensorCore
import TestSupport
import Testing

/// Packing, micro-kernels and GEMV against sums in double precision of the same rounded activations.
@Suite("products below the op")
struct ProductTests {
    private static let bound = 1e-10

    @Test("GEMM: rows and tokens about a tile, columns over a panel", arguments: RunningSet.all, WeightFormat.allCases)
    func gemm(_ running: RunningSet, _ format: WeightFormat) {
        let kc = Int(probe_gemm_kernel_of(running.number).kc)
        let shapes = [
            (1, 1, 32), (15, 2, 96), (16, 6, 64), (17, 7, 160), (64, 16, 96), (63, 17, 256), (5, 33, kc + 64),
            (64, 3, 2 * kc + 32),
        ]
        for (rows, tokens, columns) in shapes where probe_takes_gemm(running.number, format.code, 600) {
            check(running, format, rows: rows, tokens: tokens, columns: columns) { packed, x, y in
                probe_gemm(running.number, &packed, x, Int64(tokens), y)
            }
        }
    }

    @Test("GEMM: columns that fill no vector", arguments: RunningSet.all, WeightFormat.allCases)
    func oddColumns(_ running: RunningSet, _ format: WeightFormat) {
        guard format.blockSize == 1, probe_takes_gemm(running.number, format.code, 600) else { return }
        for columns in [1, 3, 31, 33, 63, 65, 1025, 2049] {
            check(running, format, rows: 19, tokens: 5, columns: columns) { packed, x, y in
                probe_gemm(running.number, &packed, x, 5, y)
            }
        }
    }

    @Test("GEMM: the kernel that takes a number of tokens", arguments: RunningSet.all, WeightFormat.allCases)
    func batches(_ running: RunningSet, _ format: WeightFormat) {
        for tokens in [9, 15, 16, 27, 32, 33, 48, 100]
        where probe_takes_gemm(running.number, format.code, Int64(tokens)) {
            for (rows, columns) in [(1, 32), (17, 288), (64, 544), (33, format.blockSize == 1 ? 301 : 96)] {
                check(running, format, rows: rows, tokens: tokens, columns: columns) { packed, x, y in
                    probe_gemm_for_tokens(running.number, &packed, x, Int64(tokens), y)
                }
            }
        }
    }

    @Test("GEMV", arguments: RunningSet.all, WeightFormat.allCases)
    func gemv(_ running: RunningSet, _ format: WeightFormat) {
        for tokens in 1...8 where probe_takes_gemv(running.number, format.code, Int64(tokens)) {
            for (rows, columns) in [(1, 32), (4, 64), (17, 288), (33, 96)] {
                check(running, format, rows: rows, tokens: tokens, columns: columns, stride: rows) { packed, x, y in
                    probe_gemv(running.number, &packed, x, Int64(tokens), y)
                }
            }
        }
    }

    @Test("packed weights, few tokens and many", arguments: RunningSet.all, WeightFormat.allCases)
    func packed(_ running: RunningSet, _ format: WeightFormat) {
        let shapes = [(16, 32), (17, 96), (64, 288), (33, 64), (48, 576), (5, 2080), (37, 45)].filter {
            // Not every packing takes any number of columns.
            probe_row_block_bytes(running.number, format.code, Int64(format.fitting($0.1))) > 0
        }
        for tokens in Array(1...8) + [9, 16, 17, 33, 48]
        where probe_takes_packed(running.number, format.code, Int64(tokens)) {
            for (rows, columns) in shapes {
                check(running, format, rows: rows, tokens: tokens, columns: columns) { packed, x, y in
                    probe_packed_product(running.number, &packed, x, Int64(tokens), y)
                }
            }
        }
    }

    private func check(
        _ running: RunningSet, _ format: WeightFormat, rows: Int, tokens: Int, columns wanted: Int, stride: Int = 64,
        _ product: (inout probe_rows, [Float], UnsafeMutablePointer<Float>) -> Void
    ) {
        let columns = (wanted + format.blockSize - 1) / format.blockSize * format.blockSize
        let name = "\(running.kernels.name) \(format.rawValue) \(rows)x\(tokens)x\(columns)"
        var random = SplitMix64(name: name)
        let weight = PackedWeight(format: format, partRows: [rows], columns: columns, random: &random)
        let drawn = random.floats(tokens * columns, scale: 1.5)
        let isRounded = running.kernels.kind == .int8
        let x = isRounded ? QuantisedRow.clear(drawn, columns: columns, groupSize: format.scaleGroupSize) : drawn
        var y = [Float](repeating: .nan, count: tokens * stride + 64)
        y.withUnsafeMutableBufferPointer { buffer in
            guard let to = buffer.baseAddress else { return }
            weight.withRows { product(&$0, x, to) }
        }
        var values = weight.values.values
        if running.kernels.kind == .bfloat16 {
            values = running.rounded(values.map(Float.init), columns: columns, for: format).map(Double.init)
        }
        let seen = running.rounded(x, columns: columns, for: format)
        var expected: [Double] = []
        var found: [Double] = []
        for t in 0..<tokens {
            for r in 0..<rows {
                var sum = 0.0
                for k in 0..<columns { sum += values[r * columns + k] * Double(seen[t * columns + k]) }
                expected.append(sum)
                found.append(Double(y[t * stride + r]))
            }
        }
        let error = nmse(found, expected)
        #expect(error <= Self.bound, "\(name): \(error)")
    }
}
