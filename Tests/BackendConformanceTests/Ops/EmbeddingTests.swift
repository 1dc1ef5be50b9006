import TensorCore
import TestSupport
import Testing

/// One table look-up of the conformance list.
struct EmbeddingCase: ConformanceCase {
    var format: WeightFormat
    var tokens: Int
    var tableRows: Int
    var columns: Int
    var accumulates = false
    var scale: Float = 1

    var cost: Int { (tokens + tableRows) * columns }
    var name: String {
        "\(format.rawValue) T=\(tokens) V=\(tableRows) D=\(columns)\(accumulates ? " accumulate" : "") x\(scale)"
    }

    static let all: [EmbeddingCase] = WeightFormat.allCases.flatMap { format in
        [(1, 1), (2, 3), (5, 15), (33, 16), (33, 17), (100, 64), (50, 255), (50, 288), (70, 768), (7, 1025)].flatMap {
            tableRows, columns in
            [1, 3, 17, 65].map { tokens in
                EmbeddingCase(
                    format: format, tokens: tokens, tableRows: tableRows, columns: format.fitting(columns),
                    accumulates: tokens % 4 == 1, scale: tokens % 16 == 1 ? 7.5 : 1)
            }
        }
    }
}

@Suite("embedding")
struct EmbeddingTests {
    @Test("embed", arguments: EmbeddingCase.all.selected)
    func embeds(_ one: EmbeddingCase) {
        var random = one.random
        let table = PackedWeight(
            format: one.format, partRows: [one.tableRows], columns: one.columns, random: &random)
        var ids = random.int32s(one.tokens, in: 0..<one.tableRows)
        ids[ids.count - 1] = Int32(one.tableRows - 1)
        let initial = one.accumulates ? random.floats(one.tokens * one.columns) : nil
        let expected = Reference.embed(
            ids, table.values, scale: one.scale,
            addingTo: initial.map { Matrix(rows: one.tokens, columns: one.columns, floats: $0) })
        // Every format but int8 (one product) is copied as it is; adding rounds once.
        let isExact =
            !one.accumulates && one.scale == 1 && (one.format.blockSize == 1 || one.format == .q8_0)
            && one.format != .int8
        onEveryDevice(one.name) { backend, expectations in
            let prepared = try backend.prepare(table.source)
            let idTensor = try GuardedTensor(on: backend, ids, [one.tokens])
            let output = try GuardedTensor(
                on: backend, .float32, [one.tokens, one.columns],
                bytes: initial.map { NumberFormats.encode($0, as: .float32) })
            try backend.embed(
                idTensor.tensor, prepared, scale: one.scale, accumulate: one.accumulates, into: output.tensor)
            try expectations.close(output, expected, bound: isExact ? 0 : one.scale == 1 ? 1e-14 : 1e-12)
            try expectations.unchanged(idTensor, "ids")
        }
    }

    @Test(
        "gatherRows", arguments: [1, 2, 15, 16, 17, 255, 257, 768, 4097], [[Int32(0)], [2, 0], [1, 1, 4, 0, 4, 3, 2]])
    func gathersRows(columns: Int, rows: [Int32]) {
        let name = "gatherRows C=\(columns) rows=\(rows)"
        var random = SplitMix64(name: name)
        let x = random.floats(5 * columns)
        let expected = Reference.gatherRows(Matrix(rows: 5, columns: columns, floats: x), rows: rows)
        onEveryDevice(name) { backend, expectations in
            let input = try GuardedTensor(on: backend, x, [5, columns])
            let rowTensor = try GuardedTensor(on: backend, rows, [rows.count])
            let output = try GuardedTensor(on: backend, .float32, [rows.count, columns])
            try backend.gatherRows(input.tensor, rows: rowTensor.tensor, into: output.tensor)
            try expectations.close(output, expected, bound: 0)
            try expectations.unchanged(input, "x")
            try expectations.unchanged(rowTensor, "rows")
        }
    }
}
