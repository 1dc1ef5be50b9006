import TensorCore
import TestSupport
import Testing

/// What low-rank adapters add, against both products in double precision.
@Suite("low ranks")
struct LowRankTests {
    struct Sizes: Sendable, CustomTestStringConvertible {
        var tokens: Int
        var adapters: Int
        var inputs: Int
        var outputs: Int
        var rank: Int
        var format: WeightFormat

        var testDescription: String { "\(format) T=\(tokens) E=\(adapters) K=\(inputs) N=\(outputs) R=\(rank)" }
    }

    static let all: [Sizes] = [(1, 1), (3, 2), (8, 9), (17, 3), (40, 5)].flatMap { tokens, adapters in
        [(32, 16, 1), (64, 65, 8), (65, 33, 3), (257, 128, 16), (48, 192, 17), (300, 290, 257), (8, 8, 8)].map {
            Sizes(
                tokens: tokens, adapters: adapters, inputs: $0.0, outputs: $0.1, rank: $0.2,
                format: [WeightFormat.float32, .bfloat16, .float16][(adapters + $0.2) % 3])
        }
    }

    @Test("are added to what is there", arguments: all)
    func adds(_ one: Sizes) {
        var random = SplitMix64(name: one.testDescription)
        func weights(_ rows: Int, _ columns: Int) -> [PackedWeight] {
            (0..<one.adapters).map { _ in
                PackedWeight(format: one.format, partRows: [rows], columns: columns, random: &random)
            }
        }
        let downs = weights(one.rank, one.inputs)
        // A layer of two matrices where there are outputs and ranks for it, the second of more ranks.
        let first = LowRankPart(
            rows: one.rank < 3 ? one.outputs : one.outputs / 3, rank: one.rank < 3 ? one.rank : one.rank / 3)
        let parts = [first, LowRankPart(rows: one.outputs - first.rows, rank: one.rank - first.rank)]
        let ups = (0..<one.adapters).map { _ in
            let values = random.floats(one.outputs * one.rank).enumerated().map { place, value in
                (place / one.rank < first.rows) == (place % one.rank < first.rank) ? value : 0
            }
            return PackedWeight(format: one.format, values, columns: one.rank)
        }
        let x = random.floats(one.tokens * one.inputs)
        let before = random.floats(one.tokens * one.outputs)
        let indices = random.int32s(one.tokens, in: 0..<one.adapters)
        var expected = before.map(Double.init)
        for token in 0..<one.tokens {
            let (down, up) = (downs[Int(indices[token])].values.values, ups[Int(indices[token])].values.values)
            let low = (0..<one.rank).map { r in
                (0..<one.inputs).reduce(0.0) { $0 + down[r * one.inputs + $1] * Double(x[token * one.inputs + $1]) }
            }
            for n in 0..<one.outputs {
                expected[token * one.outputs + n] += (0..<one.rank).reduce(0) { $0 + low[$1] * up[n * one.rank + $1] }
            }
        }
        onEveryDevice(one.testDescription) { backend, expectations in
            let (down, up) = (
                try backend.prepareIndexed(downs.map(\.source)),
                try backend.prepareIndexed(ups.map(\.source))
            )
            func scratch(_ columns: Int) throws -> Tensor {
                try backend.makeTensor([Float](repeating: 1, count: one.tokens * columns), [one.tokens, columns])
            }
            let input = try GuardedTensor(on: backend, x, [one.tokens, one.inputs], gap: 3)
            let chosen = try GuardedTensor(on: backend, indices, [one.tokens, 1])
            let output = try GuardedTensor(on: backend, before, [one.tokens, one.outputs], gap: 5)
            try backend.addLowRank(
                input.tensor, down: down, up: up, parts: parts, indices: chosen.tensor,
                scratch: LowRankScratch(
                    low: try scratch(one.rank), delta: try scratch(one.outputs), ones: try scratch(1)),
                to: output.tensor)
            try expectations.close(
                output, Matrix(rows: one.tokens, columns: one.outputs, values: expected), bound: 1e-10)
            try expectations.unchanged(input, "x")
            try expectations.unchanged(chosen, "indices")
        }
    }
}
