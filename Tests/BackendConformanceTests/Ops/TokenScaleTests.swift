import CPUBackend
import OpCases
import TensorCore
import TestSupport
import Testing

/// Products of int8 weights whose activations may have one scale a token, as encoders ask for. A backend may round them
/// less.
@Suite("matmul with one scale a token")
struct TokenScaleTests {
    /// Whole numbers whose range is 255 in every row are kept by eight bits.
    @Test("activations that rounding keeps", arguments: TokenScaleTests.cases.selected)
    func exact(_ one: MatmulCase) {
        var random = one.random
        let least = -Int(random.next() % 256)
        let x = (0..<one.tokens * one.columns).map { index in
            switch index % one.columns {
            case 0: Float(least)
            case 1: Float(least + 255)
            default: Float(least + Int(random.next() % 256))
            }
        }
        // Sets without these kernels have a scale for each 16, which keeps fewer: then the bound is that of rounding.
        check(one, x, random: &random, bound: MatmulTests.bound, otherwise: 3e-4)
    }

    @Test("any activations", arguments: TokenScaleTests.cases.selected)
    func rounded(_ one: MatmulCase) {
        var random = one.random
        let x = random.floats(one.tokens * one.columns, scale: 1.5)
        check(one, x, random: &random, bound: 3e-4, otherwise: 3e-4)
    }

    @Test("zeros give zero, and what is infinite or no number stays in its row")
    func extremes() {
        let (tokens, columns, outputs) = (20, 96, 64)
        var random = SplitMix64(name: "extreme scales of tokens")
        let weight = PackedWeight(format: .int8, partRows: [outputs], columns: columns, random: &random)
        var x = random.floats(tokens * columns)
        for k in 0..<columns { x[k] = 0 }
        x[columns + 3] = .infinity
        x[2 * columns + 90] = .nan
        onEveryDevice("extreme scales of tokens") { backend, expectations in
            let prepared = try backend.prepare(weight.source, precision: .automaticByToken)
            let input = try GuardedTensor(on: backend, x, [tokens, columns])
            let output = try GuardedTensor(on: backend, .float32, [tokens, outputs])
            try backend.matmul(input.tensor, prepared, into: output.tensor, epilogue: .none)
            let found = try backend.readFloats(output.tensor)
            func row(_ token: Int) -> ArraySlice<Float> { found[token * outputs..<(token + 1) * outputs] }
            expectations.expect(row(0).allSatisfy { $0 == 0 }, "row 0 is not zero")
            expectations.expect(row(1).allSatisfy { !$0.isFinite || $0 == 0 }, "row 1 is finite")
            expectations.expect(row(2).allSatisfy(\.isNaN), "row 2 is a number")
            expectations.expect(found[(3 * outputs)...].allSatisfy(\.isFinite), "a row beyond is not finite")
        }
    }

    @Test("any number of threads gives the same bits", arguments: [1, 5, 13, 400])
    func threads(_ tokens: Int) throws {
        var random = SplitMix64(name: "threads and scales of tokens \(tokens)")
        let weight = PackedWeight(format: .int8, partRows: [96, 64], columns: 320, random: &random)
        let x = random.floats(tokens * 320)
        let outputs = try [1, 2, 3].map { threadCount in
            let backend = try CPUBackend(threadCount: threadCount)
            try backend.reserve(ConformanceDevice.limits)
            let prepared = try backend.prepare(weight.source, precision: .automaticByToken)
            let output = try backend.makeTensor([Float](repeating: 0, count: tokens * 160), [tokens, 160])
            try backend.matmul(backend.makeTensor(x, [tokens, 320]), prepared, into: output, epilogue: .none)
            return try backend.readFloats(output).map(\.bitPattern)
        }
        #expect(outputs[0] == outputs[1] && outputs[0] == outputs[2])
    }

    private func check(
        _ one: MatmulCase, _ x: [Float], random: inout SplitMix64, bound: Double, otherwise: Double
    ) {
        let weight = PackedWeight(format: one.format, partRows: one.partRows, columns: one.columns, random: &random)
        let input = Matrix(rows: one.tokens, columns: one.columns, floats: x)
        let bias = one.hasBias ? random.floats(weight.values.rows) : nil
        let residual = one.residual == .none ? nil : random.floats(one.tokens * one.outputColumns)
        let expected = Reference.matmul(
            input, weight.values,
            epilogue: .init(
                bias: bias, activation: one.activation, isGated: one.isGated,
                residual: residual.map { Matrix(rows: one.tokens, columns: one.outputColumns, floats: $0) }))
        onEveryDevice(one.name) { backend, expectations in
            let isByToken = (backend as? CPUBackend)?.kernelSets.contains { $0.name == "avx512_vnni" } ?? false
            let prepared = try backend.prepare(weight.source, precision: .automaticByToken)
            let input = try GuardedTensor(on: backend, x, [one.tokens, one.columns], gap: one.gap, shift: one.shift)
            let output =
                try residual.map {
                    try GuardedTensor(
                        on: backend, $0, [one.tokens, one.outputColumns], gap: one.gap, shift: one.shift)
                }
                ?? GuardedTensor(
                    on: backend, .float32, [one.tokens, one.outputColumns], gap: one.gap, shift: one.shift)
            let epilogue = MatmulEpilogue(
                bias: try bias.map { try backend.makeTensor($0, [$0.count]) }, activation: one.activation,
                isGated: one.isGated, residual: residual == nil ? nil : output.tensor)
            try backend.matmul(input.tensor, prepared, into: output.tensor, epilogue: epilogue)
            try expectations.close(output, expected, bound: isByToken ? bound : otherwise)
            try expectations.unchanged(input, "x")
        }
    }

    /// Token counts about a tile of 6 and a task of 192, rows about vectors of 16 and panels of 64, columns about quads and
    /// vectors, parts, biases, activations, gates and residuals.
    private static let cases: [MatmulCase] = {
        func made(_ tokens: Int, _ partRows: [Int], _ columns: Int) -> MatmulCase {
            MatmulCase(format: .int8, tokens: tokens, partRows: partRows, columns: columns)
        }
        let shapes =
            ([1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 191, 193, 600].map { made($0, [64], 96) }
                + [19, 32, 33, 63, 64, 65, 96, 128, 129, 160].flatMap { [made(3, [$0], 64), made(19, [$0], 64)] }
                + [3, 4, 5, 31, 63, 65, 127, 384, 1025, 2304].flatMap { [made(2, [32], $0), made(9, [96], $0)] }
                + [[32, 32, 32], [5, 3, 25], [100, 60]].map { made(14, $0, 96) })
        let finished: [MatmulCase] = [Activation?.none, .relu, .geluErf, .silu].flatMap { activation in
            [(7, 64, false), (13, 96, false), (8, 128, true), (20, 96, true), (6, 64, true)].map {
                MatmulCase(
                    format: .int8, tokens: $0.0, partRows: $0.2 ? [$0.1 / 2, $0.1 / 2] : [$0.1], columns: 96,
                    hasBias: true, activation: activation, isGated: $0.2, residual: .output, gap: 3, shift: 1)
            }
        }
        return shapes + finished
    }()
}
