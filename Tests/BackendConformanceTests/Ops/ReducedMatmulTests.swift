import OpCases
import TensorCore
import TestSupport
import Testing

/// Products whose activations a backend may round. On a backend that rounds nothing they are exact.
@Suite("matmul with rounded activations")
struct ReducedMatmulTests {
    private static let devices = ConformanceDevices.all + ConformanceDevices.otherVariants

    /// The devices that a case runs on. An OpenCL device compiles a program for each format and number of tokens, which
    /// takes a second or two; formats differ in how quants are unpacked, so that two of them take every number, and the
    /// others one token, four and many.
    private static func devices(for one: MatmulCase) -> [ConformanceDevice] {
        let takesAll = one.format.blockSize == 1 || one.format == .q8_0 || one.format == .q4_K
        let isUsual = one.tokens == 1 || (3...4).contains(one.tokens) || one.tokens > 8
        return takesAll || isUsual ? devices : devices.filter { !$0.name.hasPrefix("opencl") }
    }

    /// Integers that fill 8 bits in every group of 16 are the same when rounded to BF16 or to 8-bit integers with a
    /// scale, so that the result must be as exact as with FP32 activations. A kernel may round weights to BF16 too, all
    /// of them.
    @Test("activations that rounding keeps", arguments: ReducedMatmulTests.cases.selected)
    func exact(_ one: MatmulCase) {
        var random = one.random
        let x = (0..<one.tokens * one.columns).map { index in
            index % one.columns % 16 == 0 ? Float(127) : Float(Int(random.next() % 255)) - 127
        }
        check(one, x, random: &random, bound: MatmulTests.bound)
    }

    /// Half a step of 1/127 of a group's largest activation, or of 2⁻⁸ of each: some 10⁻⁵ squared, and
    /// more where there are few outputs and they nearly cancel.
    @Test("any activations", arguments: ReducedMatmulTests.cases.selected)
    func rounded(_ one: MatmulCase) {
        var random = one.random
        let x = random.floats(one.tokens * one.columns, scale: 1.5)
        check(one, x, random: &random, bound: 3e-4)
    }

    @Test("activations of zero give zero, infinite ones stay in their row", arguments: WeightFormat.allCases, [2, 20])
    func extremes(_ format: WeightFormat, tokens: Int) {
        let name = "extreme \(format.rawValue) T=\(tokens)"
        let columns = format.fitting(96)
        var random = SplitMix64(name: name)
        let weight = PackedWeight(format: format, partRows: [40], columns: columns, random: &random)
        var x = random.floats(tokens * columns)
        for k in 0..<columns { x[k] = 0 }
        x[columns + 3] = .infinity
        onEveryDevice(name, of: Self.devices) { backend, expectations in
            let prepared = try backend.prepare(weight.source, precision: .medium)
            let input = try GuardedTensor(on: backend, x, [tokens, columns])
            let output = try GuardedTensor(on: backend, .float32, [tokens, 40])
            try backend.matmul(input.tensor, prepared, into: output.tensor, epilogue: .none)
            let found = try backend.readFloats(output.tensor)
            expectations.expect(found[0..<40].allSatisfy { $0 == 0 }, "row 0 is not zero")
            expectations.expect(found[40..<80].allSatisfy { !$0.isFinite || $0 == 0 }, "row 1 is finite")
            expectations.expect(found[80...].allSatisfy(\.isFinite), "a row beyond is not finite")
        }
    }

    private func check(_ one: MatmulCase, _ x: [Float], random: inout SplitMix64, bound: Double) {
        let weight = PackedWeight(format: one.format, partRows: one.partRows, columns: one.columns, random: &random)
        let input = Matrix(rows: one.tokens, columns: one.columns, floats: x)
        let answers = [weight.values, weight.values.roundedToBFloat16].map {
            Reference.matmul(
                input, $0, epilogue: .init(bias: nil, activation: one.activation, isGated: one.isGated, residual: nil))
        }
        onEveryDevice(one.name, of: Self.devices(for: one)) { backend, expectations in
            let prepared = try backend.prepare(weight.source, precision: .medium)
            let input = try GuardedTensor(on: backend, x, [one.tokens, one.columns], gap: one.gap, shift: one.shift)
            let output = try GuardedTensor(
                on: backend, .float32, [one.tokens, one.outputColumns], gap: one.gap, shift: one.shift)
            let epilogue = MatmulEpilogue(activation: one.activation, isGated: one.isGated)
            try backend.matmul(input.tensor, prepared, into: output.tensor, epilogue: epilogue)
            try expectations.close(output, toOneOf: answers, bound: bound)
            try expectations.unchanged(input, "x")
        }
    }

    /// Token counts about the tiles, rows about them, columns about a vector and over a panel's depth, parts, gates.
    private static let cases: [MatmulCase] = WeightFormat.allCases.flatMap { format in
        let shapes =
            ([1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 31, 130, 600].map { ($0, [33], 96) }
            + [1, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 96, 127, 130].flatMap { [(3, [$0], 64), (19, [$0], 64)] }
            + [32, 64, 160, 256, 288, 512, 2048, 2304].flatMap { [(1, [19], $0), (10, [70], $0)] }
            + [[5, 3, 3], [64, 16, 16], [17, 1]].flatMap { [(2, $0, 96), (20, $0, 96)] })
            .map { MatmulCase(format: format, tokens: $0.0, partRows: $0.1, columns: format.fitting($0.2)) }
        let odd = [1, 3, 31, 33, 50, 63, 65, 1025].flatMap { columns in
            [1, 18].map { MatmulCase(format: format, tokens: $0, partRows: [19], columns: columns, gap: 3, shift: 1) }
        }
        let gated = [1, 6, 33].map {
            MatmulCase(
                format: format, tokens: $0, partRows: [35, 35], columns: format.fitting(96), activation: .silu,
                isGated: true)
        }
        return shapes + gated + (format.blockSize == 1 ? odd : [])
    }
}

extension Matrix {
    var roundedToBFloat16: Matrix {
        let bytes = NumberFormats.encode(values.map(Float.init), as: .bfloat16)
        return Matrix(rows: rows, columns: columns, floats: NumberFormats.decode(bytes, as: .bfloat16))
    }
}
