import TensorCore
import TestSupport
import Testing

/// Rows of logits with what makes selection hard.
enum LogitValues: String, CaseIterable, Sendable {
    case usual, ties, allEqual, someNaN, startsWithNaN, negativeInfinity, signedZeros, rising, falling, largestIsLast

    func row(_ columns: Int, _ random: inout SplitMix64) -> [Float] {
        let plain = random.floats(columns, scale: 10)
        switch self {
        case .usual: return plain
        case .ties: return plain.map { ($0 / 4).rounded() }
        case .allEqual: return plain.map { _ in -3 }
        case .someNaN: return plain.enumerated().map { $0.offset % 3 == 1 ? .nan : $0.element }
        case .startsWithNaN: return plain.enumerated().map { $0.offset < columns / 2 ? .nan : -.infinity }
        case .negativeInfinity: return plain.map { _ in -.infinity }
        case .signedZeros: return plain.enumerated().map { $0.offset % 2 == 0 ? -0.0 : 0 }
        case .rising: return plain.indices.map(Float.init)
        case .falling: return plain.indices.map { -Float($0) }
        case .largestIsLast: return plain.dropLast() + [11]
        }
    }
}

struct SelectionCase: ConformanceCase {
    var values: LogitValues
    var rows: Int
    var columns: Int
    var count = 1
    var gap = 0

    var cost: Int { rows * columns }
    var name: String {
        "\(values.rawValue) R=\(rows) C=\(columns) k=\(count)\(gap > 0 ? " gap=\(gap)" : "")"
    }

    static let sizes = [1, 2, 3, 7, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1000, 1023, 1024, 1025, 4097]

    static let argmax: [SelectionCase] = LogitValues.allCases.flatMap { argmax($0) }

    private static func argmax(_ values: LogitValues) -> [SelectionCase] {
        var list: [SelectionCase] = []
        for columns in sizes {
            list.append(SelectionCase(values: values, rows: 1, columns: columns))
            list.append(SelectionCase(values: values, rows: 5, columns: columns, gap: 2))
        }
        return list + [50_257, 151_936].map { SelectionCase(values: values, rows: 2, columns: $0) }
    }

    static let topK: [SelectionCase] = LogitValues.allCases.flatMap { topK($0) }

    private static func topK(_ values: LogitValues) -> [SelectionCase] {
        var list: [SelectionCase] = []
        for columns in sizes {
            for count in [1, 2, 5, 40, 64, 200, 256] where count <= columns {
                let isOdd = count % 2 == 1
                list.append(
                    SelectionCase(
                        values: values, rows: isOdd ? 2 : 1, columns: columns, count: count, gap: isOdd ? 1 : 0))
            }
        }
        for count in [1, 40, 256] {
            list.append(SelectionCase(values: values, rows: 1, columns: 50_257, count: count))
        }
        return list + [SelectionCase(values: values, rows: 3, columns: 151_936, count: 50)]
    }

    func input() -> [Float] {
        var random = random
        return (0..<rows).flatMap { _ in values.row(columns, &random) }
    }
}

@Suite("selection")
struct SelectionTests {
    @Test("argmax", arguments: SelectionCase.argmax.selected)
    func argmax(_ one: SelectionCase) {
        let x = one.input()
        let expected = (0..<one.rows).map { Reference.argmax(x[$0 * one.columns..<($0 + 1) * one.columns]) }
        onEveryDevice("argmax \(one.name)") { backend, expectations in
            let input = try GuardedTensor(on: backend, x, [one.rows, one.columns], gap: one.gap)
            let indices = try GuardedTensor(on: backend, .int32, [one.rows])
            try backend.argmax(input.tensor, into: indices.tensor)
            try expectations.equal(indices, expected)
            try expectations.unchanged(input, "x")
        }
    }

    @Test("topK", arguments: SelectionCase.topK.selected)
    func topK(_ one: SelectionCase) {
        let x = one.input()
        let expected = (0..<one.rows).map {
            Reference.topColumns(x[$0 * one.columns..<($0 + 1) * one.columns], count: one.count)
        }
        onEveryDevice("topK \(one.name)") { backend, expectations in
            guard one.count <= backend.capabilities.maxTopK else { return }
            let input = try GuardedTensor(on: backend, x, [one.rows, one.columns], gap: one.gap)
            let values = try GuardedTensor(on: backend, .float32, [one.rows, one.count])
            let indices = try GuardedTensor(on: backend, .int32, [one.rows, one.count])
            try backend.topK(input.tensor, count: one.count, values: values.tensor, indices: indices.tensor)
            try expectations.equal(indices, expected.flatMap { $0 }, "indices")
            let (bytes, damage) = try values.contents()
            if let damage { expectations.fail("values: \(damage)") }
            let found = NumberFormats.decode(bytes, as: .float32)
            let wanted = expected.enumerated().flatMap { row, columns in columns.map { x[row * one.columns + Int($0)] }
            }
            let isEqual = zip(found, wanted).allSatisfy { $0 == $1 || ($0.isNaN && $1.isNaN) }
            expectations.expect(isEqual, "values are not those of the chosen columns")
            try expectations.unchanged(input, "x")
        }
    }

    @Test("topK reaches 256 on every backend")
    func maxTopK() {
        onEveryDevice("maxTopK") { backend, expectations in
            let largest = backend.capabilities.maxTopK
            expectations.expect(largest >= 256, "maxTopK is \(largest)")
        }
    }
}
