import TensorCore
import TestSupport
import Testing

/// One normalisation of the conformance list.
struct NormCase: ConformanceCase {
    enum Kind: String, CaseIterable { case rms, layer }
    /// Which tensors the op is given, and which of them are one.
    enum Arguments: String, CaseIterable {
        case plain, inPlace, sumOnly, residual, residualInPlace, residualAndSum, sumIsX, sumIsResidual
    }
    enum Values: String { case usual, zero, largeMean, tiny, large }

    var kind: Kind
    var rows: Int
    var columns: Int
    var arguments = Arguments.plain
    var hasBias = false
    var gap = 0
    var values = Values.usual
    var epsilon: Float = 1e-5

    var cost: Int { rows * columns }
    var name: String {
        "\(kind.rawValue) R=\(rows) C=\(columns) \(arguments.rawValue)\(hasBias ? " bias" : "") gap=\(gap) \(values.rawValue)"
    }

    static let sizes: [NormCase] = Kind.allCases.flatMap { kind in
        [
            1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 384, 511, 513, 576, 768,
            1000,
            1023, 1024, 1025, 2048, 2049, 4096, 5120,
        ].flatMap { columns in
            [1, 3, 17].map { rows in
                NormCase(
                    kind: kind, rows: rows, columns: columns, arguments: rows == 3 ? .residualAndSum : .plain,
                    hasBias: kind == .layer && rows != 1, gap: rows == 17 ? 5 : 0)
            }
        }
    }

    static let argumentForms: [NormCase] = Kind.allCases.flatMap { kind in
        Arguments.allCases.flatMap { arguments in
            [(1, 64, 0), (5, 33, 0), (5, 33, 7), (4, 768, 256)].map { rows, columns, gap in
                NormCase(
                    kind: kind, rows: rows, columns: columns, arguments: arguments, hasBias: kind == .layer, gap: gap)
            }
        }
    }

    static let difficultValues: [NormCase] = Kind.allCases.flatMap { kind in
        [Values.zero, .largeMean, .tiny, .large].flatMap { values in
            [(2, 17), (3, 768)].map { rows, columns in
                NormCase(kind: kind, rows: rows, columns: columns, values: values)
            }
        }
    }
}

@Suite("norms")
struct NormTests {
    /// A sum of squares in FP32 is good to some 10⁻⁷; the square of that, with room for a mean far from zero.
    static let bound = 1e-10

    @Test("sizes", arguments: NormCase.sizes.selected)
    func sizes(_ one: NormCase) { check(one) }

    @Test("residual, sum and aliasing", arguments: NormCase.argumentForms.selected)
    func argumentForms(_ one: NormCase) { check(one) }

    @Test("difficult values", arguments: NormCase.difficultValues.selected)
    func difficultValues(_ one: NormCase) { check(one) }

    @Test(
        "each head for itself", arguments: [1, 15, 16, 17, 24, 64, 128, 256],
        [(1, 1, 0), (3, 2, 5), (17, 3, 0), (2, 40, 1)])
    func heads(_ headSize: Int, _ sizes: (rows: Int, heads: Int, gap: Int)) {
        let (columns, epsilon) = (sizes.heads * headSize, Float(1e-6))
        let name = "rmsNormHeads R=\(sizes.rows) H=\(sizes.heads) D=\(headSize) gap=\(sizes.gap)"
        var random = SplitMix64(name: name)
        let x = random.floats(sizes.rows * columns, scale: 2)
        let weight = random.floats(columns).map { $0 + 1 }
        let expected = Reference.rmsNormHeads(
            Matrix(rows: sizes.rows, columns: columns, floats: x), headSize: headSize, weight: weight, epsilon: epsilon)
        onEveryDevice(name) { backend, expectations in
            let tensor = try GuardedTensor(on: backend, x, [sizes.rows, columns], gap: sizes.gap)
            let weightTensor = try GuardedTensor(on: backend, weight, [columns], shift: sizes.gap % 2)
            try backend.rmsNormHeads(
                tensor.tensor, headSize: headSize, weight: weightTensor.tensor, epsilon: epsilon)
            try expectations.close(tensor, expected, bound: NormTests.bound, eachRow: true)
            try expectations.unchanged(weightTensor, "weight")
        }
    }

    private func values(_ one: NormCase, _ random: inout SplitMix64) -> [Float] {
        let plain = random.floats(one.rows * one.columns, scale: 2)
        switch one.values {
        case .usual: return plain
        case .zero: return plain.map { _ in 0 }
        case .largeMean: return plain.map { $0 + 100 }
        case .tiny: return plain.map { $0 * 1e-20 }
        case .large: return plain.map { $0 * 1e15 }
        }
    }

    private func check(_ one: NormCase) {
        var random = one.random
        let x = values(one, &random)
        let usesResidual = [.residual, .residualInPlace, .residualAndSum, .sumIsX, .sumIsResidual].contains(
            one.arguments)
        let residual = usesResidual ? random.floats(one.rows * one.columns) : nil
        let weight = random.floats(one.columns).map { $0 + 1 }
        let bias = one.hasBias ? random.floats(one.columns) : nil
        // The sum is rounded to FP32 where it is stored; the norm may see it before or after.
        var sum = Matrix(rows: one.rows, columns: one.columns, floats: x)
        if let residual { sum = sum + Matrix(rows: one.rows, columns: one.columns, floats: residual) }
        let expected =
            one.kind == .rms
            ? Reference.rmsNorm(sum, weight: weight, epsilon: one.epsilon)
            : Reference.layerNorm(sum, weight: weight, bias: bias, epsilon: one.epsilon)
        let bound = one.values == .largeMean ? 1e-8 : NormTests.bound
        onEveryDevice(one.name) { backend, expectations in
            let tensors = try NormTensors(backend, one, x: x, residual: residual)
            let weightTensor = try GuardedTensor(on: backend, weight, [one.columns], shift: one.gap % 2)
            let biasTensor = try bias.map { try GuardedTensor(on: backend, $0, [one.columns], shift: one.gap % 2) }
            switch one.kind {
            case .rms:
                try backend.rmsNorm(
                    tensors.x.tensor, residual: tensors.residual?.tensor, sum: tensors.sum?.tensor,
                    weight: weightTensor.tensor, epsilon: one.epsilon, into: tensors.output.tensor)
            case .layer:
                try backend.layerNorm(
                    tensors.x.tensor, residual: tensors.residual?.tensor, sum: tensors.sum?.tensor,
                    weight: weightTensor.tensor, bias: biasTensor?.tensor, epsilon: one.epsilon,
                    into: tensors.output.tensor)
            }
            try expectations.close(tensors.output, expected, bound: bound, eachRow: one.columns > 1)
            if let stored = tensors.sum { try expectations.close(stored, sum, bound: 1e-14, "sum") }
            if ![.inPlace, .residualInPlace, .sumIsX].contains(one.arguments) {
                try expectations.unchanged(tensors.x, "x")
            }
            if one.arguments != .sumIsResidual { try expectations.unchanged(tensors.residual, "residual") }
            try expectations.unchanged(weightTensor, "weight")
            try expectations.unchanged(biasTensor, "bias")
        }
    }
}

/// The tensors of one norm, some of them the same.
private struct NormTensors {
    let x: GuardedTensor
    let residual: GuardedTensor?
    let sum: GuardedTensor?
    let output: GuardedTensor

    init(_ backend: any Backend, _ one: NormCase, x values: [Float], residual residualValues: [Float]?) throws {
        let shape: Shape = [one.rows, one.columns]
        let x = try GuardedTensor(on: backend, values, shape, gap: one.gap)
        let residual = try residualValues.map { try GuardedTensor(on: backend, $0, shape, gap: one.gap / 2) }
        self.x = x
        self.residual = residual
        sum =
            switch one.arguments {
            case .sumOnly, .residualAndSum: try GuardedTensor(on: backend, .float32, shape, gap: one.gap + one.gap % 2)
            case .sumIsX: x
            case .sumIsResidual: residual
            case .plain, .inPlace, .residual, .residualInPlace: nil
            }
        output =
            switch one.arguments {
            case .inPlace, .residualInPlace: x
            default: try GuardedTensor(on: backend, .float32, shape, gap: one.gap * 2)
            }
    }
}
