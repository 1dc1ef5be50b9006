import TensorCore
import TestSupport
import Testing

/// Weights of blocks that other software wrote, against the values that it reads from them.
@Suite("golden blocks on devices")
struct GoldenBlockTests {
    /// Two rows of a table and of a weight, each half of the blocks.
    @Test("look-up, one token and many", arguments: WeightFormat.blocked)
    func products(_ format: WeightFormat) throws {
        let golden = try GoldenBlocks(format.numberFormat)
        let columns = golden.values.count / 2
        let values = Matrix(rows: 2, columns: columns, floats: golden.values)
        let source = WeightSource(
            name: "golden.\(format)", format: format, columns: columns,
            parts: [WeightPart(rows: 2, bytes: PackedWeight.hostBytes(golden.bytes))])
        var random = SplitMix64(name: "golden \(format)")
        let x = random.floats(20 * columns)
        onEveryDevice("golden \(format)") { backend, expectations in
            for precision in [MatmulPrecision.highest, .medium] {
                let weight = try backend.prepare(source, precision: precision)
                let ids = try GuardedTensor(on: backend, [Int32(1), 0], [2])
                let rows = try GuardedTensor(on: backend, .float32, [2, columns])
                try backend.embed(ids.tensor, weight, accumulate: false, into: rows.tensor)
                let expected = Reference.embed([1, 0], values, scale: 1, addingTo: nil)
                try expectations.close(rows, expected, bound: 1e-14, "look-up")
                for tokens in [1, 20] {
                    let input = try GuardedTensor(on: backend, Array(x.prefix(tokens * columns)), [tokens, columns])
                    let output = try GuardedTensor(on: backend, .float32, [tokens, 2])
                    try backend.matmul(input.tensor, weight, into: output.tensor, epilogue: .none)
                    let product = Reference.matmul(
                        Matrix(rows: tokens, columns: columns, floats: Array(x.prefix(tokens * columns))), values)
                    // Two sums alone may nearly cancel, which leaves what rounded activations are off by; forty do not.
                    let rounded = tokens == 1 ? 2e-2 : 1e-3
                    try expectations.close(
                        output, product, bound: precision == .highest ? 1e-10 : rounded,
                        "\(tokens) tokens, \(precision)")
                }
            }
        }
    }
}
