import OpCases
import TensorCore
import TestSupport
import Testing

@Suite("matmul")
struct MatmulTests {
    /// FP32 accumulation of up to 4,096 products of about equal size: an error of some 10⁻⁷ of the result at most, so
    /// 10⁻¹³ or so squared; the rest is room for outputs that nearly cancel (N = 1, T = 1).
    static let bound = 1e-9

    @Test("token counts", arguments: MatmulCase.tokenSweep.selected)
    func tokens(_ one: MatmulCase) { check(one) }

    @Test("input features", arguments: MatmulCase.columnSweep.selected)
    func columns(_ one: MatmulCase) { check(one) }

    @Test("output channels", arguments: MatmulCase.rowSweep.selected)
    func rows(_ one: MatmulCase) { check(one) }

    @Test("epilogues", arguments: MatmulCase.epilogues.selected)
    func epilogues(_ one: MatmulCase) { check(one) }

    @Test("parts", arguments: MatmulCase.parts.selected)
    func parts(_ one: MatmulCase) { check(one) }

    @Test("layers of models", arguments: MatmulCase.modelLayers.selected)
    func modelLayers(_ one: MatmulCase) { check(one) }

    @Test("large sizes", arguments: MatmulCase.largeSizes.selected)
    func largeSizes(_ one: MatmulCase) { check(one) }

    private func check(_ one: MatmulCase) {
        var random = one.random
        let weight = PackedWeight(format: one.format, partRows: one.partRows, columns: one.columns, random: &random)
        let x = random.floats(one.tokens * one.columns, scale: 1.5)
        let bias = one.hasBias ? random.floats(one.rows) : nil
        let residual = one.residual == .none ? nil : random.floats(one.tokens * one.outputColumns)
        let expected = Reference.matmul(
            Matrix(rows: one.tokens, columns: one.columns, floats: x), weight.values,
            epilogue: .init(
                bias: bias, activation: one.activation, isGated: one.isGated,
                residual: residual.map { Matrix(rows: one.tokens, columns: one.outputColumns, floats: $0) }))
        onEveryDevice(one.name) { backend, expectations in
            let prepared = try backend.prepare(weight.source)
            expectations.expect(prepared.partRows == one.partRows, "part rows are \(prepared.partRows)")
            let input = try GuardedTensor(on: backend, x, [one.tokens, one.columns], gap: one.gap, shift: one.shift)
            let shape: Shape = [one.tokens, one.outputColumns]
            let output = try GuardedTensor(
                on: backend, .float32, shape,
                bytes: one.residual == .output ? residual.map { NumberFormats.encode($0, as: .float32) } : nil,
                gap: one.gap, shift: one.shift)
            let added =
                one.residual == .separate
                ? try residual.map { try GuardedTensor(on: backend, $0, shape, gap: one.gap + 1) } : nil
            let biasTensor = try bias.map { try GuardedTensor(on: backend, $0, [one.rows], shift: one.shift) }
            let epilogue = MatmulEpilogue(
                bias: biasTensor?.tensor, activation: one.activation, isGated: one.isGated,
                residual: one.residual == .output ? output.tensor : added?.tensor)
            try backend.matmul(input.tensor, prepared, into: output.tensor, epilogue: epilogue)
            try expectations.close(output, expected, bound: MatmulTests.bound)
            try expectations.unchanged(input, "x")
            try expectations.unchanged(added, "residual")
            try expectations.unchanged(biasTensor, "bias")
        }
    }

    @Test(
        "twice the same input gives the same bits", arguments: WeightFormat.allCases,
        ConformanceSizes.isSmall ? [1, 9] : [1, 5, 33])
    func repeats(_ format: WeightFormat, tokens: Int) {
        let rows = ConformanceSizes.isSmall ? 35 : 130
        let name = "repeat \(format.rawValue) T=\(tokens)"
        let columns = format.fitting(70)
        var random = SplitMix64(name: name)
        let weight = PackedWeight(format: format, partRows: [rows], columns: columns, random: &random)
        let x = random.floats(tokens * columns)
        onEveryDevice(name) { backend, expectations in
            let prepared = try backend.prepare(weight.source)
            let input = try GuardedTensor(on: backend, x, [tokens, columns])
            var found: [[UInt8]] = []
            for _ in 0..<2 {
                let output = try GuardedTensor(on: backend, .float32, [tokens, rows])
                try backend.matmul(input.tensor, prepared, into: output.tensor, epilogue: .none)
                found.append(try output.contents().bytes)
            }
            expectations.expect(found[0] == found[1], "two runs differ")
        }
    }
}
