import TensorCore
import TestSupport
import Testing

/// One product of experts of the conformance list.
struct ExpertCase: ConformanceCase {
    var format: WeightFormat
    var tokens: Int
    var experts: Int
    var choices: Int
    var inputs: Int
    var outputs: Int
    var isGated: Bool
    /// Whether every choice has a row of its own, as the second product of a feed-forward part.
    var hasOwnRows = false
    var gap = 0

    var cost: Int { tokens * choices * inputs * outputs }
    var activation: Activation? { isGated ? .silu : nil }
    var rows: Int { hasOwnRows ? tokens * choices : tokens }
    var partRows: [Int] { Array(repeating: outputs, count: isGated ? 2 : 1) }

    func weights(_ random: inout SplitMix64) -> [PackedWeight] {
        (0..<experts).map { _ in
            PackedWeight(format: format, partRows: partRows, columns: inputs, random: &random)
        }
    }

    /// The product of `x` with the experts `chosen`; both stay as they are.
    func product(
        _ x: GuardedTensor, _ experts: any IndexedWeights, _ chosen: GuardedTensor, on backend: any Backend,
        _ expectations: Expectations
    ) throws -> GuardedTensor {
        let output = try GuardedTensor(on: backend, .float32, [tokens * choices, outputs], gap: gap / 2)
        try backend.matmulIndexed(
            x.tensor, experts, indices: chosen.tensor, activation: activation, isGated: isGated, into: output.tensor)
        try expectations.unchanged(x, "x")
        try expectations.unchanged(chosen, "indices")
        return output
    }
    var name: String {
        "\(format.rawValue) T=\(tokens) E=\(experts) J=\(choices) K=\(inputs) N=\(outputs)"
            + "\(isGated ? " gated" : "")\(hasOwnRows ? " own rows" : "") gap=\(gap)"
    }

    static let all: [ExpertCase] = WeightFormat.allCases.flatMap { format in
        [(1, 1, 1), (1, 4, 2), (3, 8, 2), (17, 5, 3), (40, 8, 4)].flatMap { tokens, experts, choices in
            [(32, 16), (48, 17), (257, 33), (64, 128)].map { inputs, outputs in
                ExpertCase(
                    format: format, tokens: tokens, experts: experts, choices: choices, inputs: format.fitting(inputs),
                    outputs: outputs, isGated: inputs != 48, hasOwnRows: inputs == 48 || outputs == 33,
                    gap: tokens == 3 ? 4 : 0)
            }
        }
    }
}

@Suite("experts")
struct ExpertTests {
    @Test("products", arguments: ExpertCase.all.selected)
    func products(_ one: ExpertCase) {
        var random = one.random
        let packed = one.weights(&random)
        let x = random.floats(one.rows * one.inputs)
        // The first token takes the last expert more than once, and some experts are taken by none.
        var choices = random.int32s(one.tokens * one.choices, in: 0..<one.experts)
        for choice in 0..<one.choices { choices[choice] = Int32(one.experts - 1) }
        let expected = Reference.matmulIndexed(
            Matrix(rows: one.rows, columns: one.inputs, floats: x), packed.map(\.values), indices: choices,
            activation: one.activation, isGated: one.isGated)
        onEveryDevice(one.name) { backend, expectations in
            let experts = try backend.prepareIndexed(packed.map(\.source))
            expectations.expect(
                experts.count == one.experts && experts.columns == one.inputs
                    && experts.rows == one.partRows.reduce(0, +), "experts of [\(experts.rows), \(experts.columns)]")
            let input = try GuardedTensor(on: backend, x, [one.rows, one.inputs], gap: one.gap)
            let chosen = try GuardedTensor(on: backend, choices, [one.tokens, one.choices])
            try expectations.close(
                one.product(input, experts, chosen, on: backend, expectations), expected, bound: 1e-10)
        }
    }

    /// Rows as they are and grouped, experts in several parts of tokens and of features, rows that no blocks hold.
    private static let roundedCases: [ExpertCase] =
        [WeightFormat.float32, .bfloat16, .int8, .q8_0, .q4_0, .q4_K].flatMap { format in
            [(1, 4, 2), (5, 3, 1), (41, 8, 4), (300, 2, 2)].flatMap { tokens, experts, choices in
                [(64, 48), (96, 33), (2304, 32)].map { inputs, outputs in
                    ExpertCase(
                        format: format, tokens: tokens, experts: experts, choices: choices,
                        inputs: format.fitting(inputs), outputs: outputs, isGated: inputs != 2304,
                        hasOwnRows: inputs == 2304, gap: 4)
                }
            }
        }

    /// Activations that fill 8 bits stay as they are when they are quantised, so that the products must be exact.
    @Test("products of activations that rounding keeps", arguments: ExpertTests.roundedCases.selected)
    func rounded(_ one: ExpertCase) {
        var random = one.random
        let packed = one.weights(&random)
        let x = (0..<one.rows * one.inputs).map { index in
            index % one.inputs % 16 == 0 ? Float(127) : Float(Int(random.next() % 255)) - 127
        }
        let choices = random.int32s(one.tokens * one.choices, in: 0..<one.experts)
        let input = Matrix(rows: one.rows, columns: one.inputs, floats: x)
        let answers = [packed.map(\.values), packed.map(\.values.roundedToBFloat16)].map {
            Reference.matmulIndexed(
                input, $0, indices: choices, activation: one.activation, isGated: one.isGated)
        }
        onEveryDevice(one.name, of: ConformanceDevices.all + ConformanceDevices.otherVariants) {
            backend, expectations in
            let experts = try backend.prepareIndexed(packed.map(\.source), precision: .medium)
            let input = try GuardedTensor(on: backend, x, [one.rows, one.inputs], gap: one.gap)
            let chosen = try GuardedTensor(on: backend, choices, [one.tokens, one.choices])
            try expectations.close(
                one.product(input, experts, chosen, on: backend, expectations), toOneOf: answers,
                bound: MatmulTests.bound)
        }
    }

    enum Residual: String, CaseIterable { case none, own, output }

    @Test("sums", arguments: Residual.allCases, [(1, 1, 1), (1, 2, 64), (3, 2, 17), (17, 4, 257), (5, 8, 48)])
    func sums(_ kind: Residual, _ sizes: (tokens: Int, choices: Int, columns: Int)) {
        let (tokens, choices, columns) = sizes
        let name = "combineExperts T=\(tokens) J=\(choices) C=\(columns) residual \(kind.rawValue)"
        var random = SplitMix64(name: name)
        let x = random.floats(tokens * choices * columns)
        let weights = random.floats(tokens * choices)
        let residual = random.floats(tokens * columns)
        let expected = Reference.combineExperts(
            Matrix(rows: tokens * choices, columns: columns, floats: x),
            weights: Matrix(rows: tokens, columns: choices, floats: weights),
            residual: kind == .none ? nil : Matrix(rows: tokens, columns: columns, floats: residual))
        onEveryDevice(name) { backend, expectations in
            let input = try GuardedTensor(on: backend, x, [tokens * choices, columns], gap: choices)
            let factors = try GuardedTensor(on: backend, weights, [tokens, choices])
            let added = try GuardedTensor(on: backend, residual, [tokens, columns], gap: 3)
            let output = kind == .output ? added : try GuardedTensor(on: backend, .float32, [tokens, columns], gap: 1)
            try backend.combineExperts(
                input.tensor, weights: factors.tensor, residual: kind == .none ? nil : added.tensor,
                into: output.tensor)
            try expectations.close(output, expected, bound: 1e-12)
            try expectations.unchanged(input, "x")
            try expectations.unchanged(factors, "weights")
            if kind != .output { try expectations.unchanged(added, "residual") }
        }
    }

    @Test("refusals")
    func refusals() {
        var random = SplitMix64(name: "refused experts")
        let packed = (0..<3).map { _ in
            PackedWeight(format: .float32, partRows: [8, 8], columns: 16, random: &random).source
        }
        onEveryDevice("refused experts") { backend, expectations in
            let experts = try backend.prepareIndexed(packed)
            func refuse(
                _ what: String, x: Shape = [2, 16], choices: Shape = [2, 2], output: Shape = [4, 8]
            ) throws {
                let out = try GuardedTensor(on: backend, .float32, output)
                let input = try backend.makeTensor(.float32, x)
                let chosen = try backend.makeTensor(
                    Array(repeating: Int32(0), count: choices.elementCount), choices)
                try expectations.refuses(backend, "experts with \(what)", writing: [out]) {
                    try backend.matmulIndexed(
                        input, experts, indices: chosen, activation: .silu, isGated: true, into: out.tensor)
                }
            }
            try refuse("too few features", x: [2, 15])
            try refuse("rows for neither tokens nor choices", x: [3, 16])
            try refuse("a narrow output", output: [4, 7])
            try refuse("too few rows of output", output: [2, 8])
            try refuse("flat choices", choices: [4])
            let out = try GuardedTensor(on: backend, .float32, [2, 8])
            let x = try backend.makeTensor(.float32, [4, 8])
            for shape: Shape in [[4], [1, 4], [2, 3], [3, 2]] {
                let weights = try backend.makeTensor(.float32, shape)
                try expectations.refuses(backend, "a sum with weights \(shape)", writing: [out]) {
                    try backend.combineExperts(x, weights: weights, residual: nil, into: out.tensor)
                }
            }
        }
    }
}
