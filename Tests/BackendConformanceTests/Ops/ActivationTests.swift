import TensorCore
import TestSupport
import Testing

/// One pointwise activation or softmax of the conformance list.
struct RowCase: ConformanceCase {
    var label: String
    var rows: Int
    var columns: Int
    var gap = 0
    var isInPlace = false

    var cost: Int { rows * columns }
    var name: String {
        "\(label) R=\(rows) C=\(columns)\(gap > 0 ? " gap=\(gap)" : "")\(isInPlace ? " in place" : "")"
    }

    static func sizes(_ label: String, columns: [Int]) -> [RowCase] {
        columns.flatMap { columns in
            [
                RowCase(label: label, rows: 1, columns: columns),
                RowCase(label: label, rows: 3, columns: columns, gap: 5),
                RowCase(label: label, rows: 2, columns: columns, isInPlace: true),
            ]
        } + [RowCase(label: label, rows: 65, columns: 40, gap: 1, isInPlace: true)]
    }
}

@Suite("activations")
struct ActivationTests {
    @Test(
        "activations", arguments: Activation.allCases,
        RowCase.sizes("activate", columns: [1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 255, 256, 257, 1025, 3072]).selected)
    func activations(_ activation: Activation, _ one: RowCase) {
        let name = "\(activation.rawValue) \(one.name)"
        var random = SplitMix64(name: name)
        let values = random.floats(one.cost, scale: 8)
        check(name, activation, one, values)
    }

    /// Where exponentials overflow, cubes overflow and tails vanish.
    @Test("activations at the ends of the range", arguments: Activation.allCases)
    func extremes(_ activation: Activation) {
        let magnitudes: [Float] = [
            0, Float(bitPattern: 71_362), 1e-20, 1e-6, 0.5, 1, 3, 5.5, 9, 10, 20, 44, 87, 88, 89, 90, 103, 104, 500,
            1e4, 1e13, 1e20,
        ]
        for value in magnitudes.flatMap({ [$0, -$0] }) {
            // One value a tensor: an error at a small one must not hide behind a large one.
            let one = RowCase(label: "extreme", rows: 1, columns: 1)
            check("\(activation.rawValue) of \(value)", activation, one, [value])
        }
    }

    @Test(
        "soft-capping", arguments: [Float(0.5), 30],
        RowCase.sizes("softCap", columns: [1, 2, 15, 16, 17, 255, 256, 257, 3072]).selected)
    func softCaps(_ cap: Float, _ one: RowCase) {
        let name = "cap \(cap) \(one.name)"
        var random = SplitMix64(name: name)
        var values = random.floats(one.cost, scale: 40)
        values[0] = 1e30
        values[values.count - 1] = -.infinity
        let expected = Reference.softCap(Matrix(rows: one.rows, columns: one.columns, floats: values), cap: cap)
        onEveryDevice(name) { backend, expectations in
            let x = try GuardedTensor(on: backend, values, [one.rows, one.columns], gap: one.gap)
            let output =
                one.isInPlace ? x : try GuardedTensor(on: backend, .float32, [one.rows, one.columns], gap: one.gap / 2)
            try backend.softCap(x.tensor, cap: cap, into: output.tensor)
            try expectations.close(output, expected, bound: 1e-12)
            if !one.isInPlace { try expectations.unchanged(x, "x") }
        }
    }

    /// `y` is the output where a case is in place: the one of the two that models write over.
    @Test("products", arguments: RowCase.sizes("multiply", columns: [1, 2, 15, 16, 17, 255, 256, 257, 3072]).selected)
    func products(_ one: RowCase) {
        var random = one.random
        let (first, second) = (random.floats(one.cost, scale: 3), random.floats(one.cost, scale: 3))
        let expected = Reference.multiply(
            Matrix(rows: one.rows, columns: one.columns, floats: first),
            Matrix(rows: one.rows, columns: one.columns, floats: second))
        onEveryDevice(one.name) { backend, expectations in
            let x = try GuardedTensor(on: backend, first, [one.rows, one.columns], gap: one.gap)
            let y = try GuardedTensor(on: backend, second, [one.rows, one.columns], gap: one.gap / 2)
            let output =
                one.isInPlace ? y : try GuardedTensor(on: backend, .float32, [one.rows, one.columns], gap: one.gap / 3)
            try backend.multiply(x.tensor, y.tensor, into: output.tensor)
            try expectations.close(output, expected, bound: 1e-13)
            try expectations.unchanged(x, "x")
            if !one.isInPlace { try expectations.unchanged(y, "y") }
        }
    }

    private func check(_ name: String, _ activation: Activation, _ one: RowCase, _ values: [Float]) {
        let expected = Reference.activate(Matrix(rows: one.rows, columns: one.columns, floats: values), activation)
        onEveryDevice(name) { backend, expectations in
            let x = try GuardedTensor(on: backend, values, [one.rows, one.columns], gap: one.gap)
            let output =
                one.isInPlace ? x : try GuardedTensor(on: backend, .float32, [one.rows, one.columns], gap: one.gap / 2)
            try backend.activate(x.tensor, activation, into: output.tensor)
            if one.cost > 1 {
                try expectations.close(output, expected, bound: 1e-11, eachRow: one.columns > 8)
            } else {
                let found = NumberFormats.decode(try output.contents().bytes, as: .float32)
                let error = abs(Double(found[0]) - expected.values[0])
                // Tails as `1 + tanh` lose their relative precision, so they are held to an absolute one; subnormal numbers
                // have little precision at all.
                let allowed =
                    1e-6 * abs(expected.values[0]) + 3e-7 * min(1, abs(Double(values[0])))
                    + Double(Float.leastNonzeroMagnitude)
                expectations.expect(error <= allowed, "\(found[0]), expected \(expected.values[0])")
            }
            if !one.isInPlace { try expectations.unchanged(x, "x") }
        }
    }
}

@Suite("softmax")
struct SoftmaxTests {
    /// The argument of the exponential carries an error of some 10⁻⁷ times its size.
    static let bound = 1e-10

    @Test(
        "sizes",
        arguments: RowCase.sizes(
            "softmax",
            columns: [
                1, 2, 3, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513, 1000, 1023,
                1024,
                1025, 4096, 4097, 50_257, 262_144,
            ]
        ).selected)
    func sizes(_ one: RowCase) {
        var random = one.random
        check(one.name, one, random.floats(one.cost, scale: 6), scale: 1)
    }

    @Test("scales", arguments: [Float(0.125), 1, 3, 0, -1])
    func scales(_ scale: Float) {
        var random = SplitMix64(name: "softmax scale")
        let one = RowCase(label: "softmax scale=\(scale)", rows: 3, columns: 300, gap: 1)
        check(one.name, one, random.floats(one.cost, scale: 4), scale: scale)
    }

    enum Values: String, CaseIterable {
        case equal, allHuge, allVeryNegative, allBelowMinusHundred, oneHuge, infiniteAtStart, infiniteAtEnd,
            allButOneInfinite, rising,
            falling
        case extremeRange
    }

    @Test("huge and infinite values", arguments: Values.allCases, [1, 17, 64, 1000, 5000])
    func difficult(_ values: Values, _ columns: Int) {
        let one = RowCase(label: "softmax \(values.rawValue)", rows: 2, columns: columns)
        var random = one.random
        var row = random.floats(one.cost, scale: 3)
        for index in row.indices {
            let column = index % columns
            switch values {
            case .equal: row[index] = 7
            case .allHuge: row[index] = 1e30
            case .allVeryNegative: row[index] = -1e30
            case .allBelowMinusHundred: row[index] -= 150
            case .oneHuge: if column == columns / 2 { row[index] = 3e38 }
            case .infiniteAtStart: if column < columns * 9 / 10 { row[index] = -.infinity }
            case .infiniteAtEnd: if column > columns / 10 { row[index] = -.infinity }
            case .allButOneInfinite: if column != columns / 3 { row[index] = -.infinity }
            case .rising: row[index] = Float(column) * 0.25
            case .falling: row[index] = Float(-column) * 0.25
            case .extremeRange: row[index] = column % 2 == 0 ? -3e38 : 3e38
            }
        }
        check(one.name, one, row, scale: values == .extremeRange ? 0.25 : 1)
    }

    private func check(_ name: String, _ one: RowCase, _ values: [Float], scale: Float) {
        let expected = Reference.softmax(
            Matrix(rows: one.rows, columns: one.columns, floats: values), scale: Double(scale))
        onEveryDevice(name) { backend, expectations in
            let x = try GuardedTensor(on: backend, values, [one.rows, one.columns], gap: one.gap)
            let output =
                one.isInPlace ? x : try GuardedTensor(on: backend, .float32, [one.rows, one.columns], gap: one.gap / 2)
            try backend.softmax(x.tensor, scale: scale, into: output.tensor)
            try expectations.close(output, expected, bound: SoftmaxTests.bound, eachRow: true)
            let sums = NumberFormats.decode(try output.contents().bytes, as: .float32)
            for row in 0..<one.rows {
                let sum = sums[row * one.columns..<(row + 1) * one.columns].reduce(0.0) { $0 + Double($1) }
                expectations.expect(abs(sum - 1) < 1e-5, "row \(row) sums to \(sum)")
            }
            if !one.isInPlace { try expectations.unchanged(x, "x") }
        }
    }
}
