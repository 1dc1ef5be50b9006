import TensorCore
import TestSupport
import Testing

/// One rotation of the conformance list.
struct RopeCase: ConformanceCase {
    var layout: RopeLayout
    var tokens: Int
    var heads: Int
    var headSize: Int
    var rotarySize: Int
    var gap = 0

    var cost: Int { tokens * heads * headSize }
    var name: String {
        "\(layout.rawValue) T=\(tokens) H=\(heads) D=\(headSize) rotary=\(rotarySize)\(gap > 0 ? " gap=\(gap)" : "")"
    }

    static let all: [RopeCase] = RopeLayout.allCases.flatMap { layout in
        [
            (2, 2), (10, 10), (10, 4), (16, 16), (31, 2), (32, 32), (64, 64), (64, 16), (80, 32), (80, 80), (96, 72),
            (128, 128), (256, 256), (256, 64),
        ].flatMap { headSize, rotarySize in
            [(1, 1, 0), (1, 12, 0), (5, 3, 0), (17, 4, 7), (3, 32, 130)].map { tokens, heads, gap in
                RopeCase(
                    layout: layout, tokens: tokens, heads: heads, headSize: headSize, rotarySize: rotarySize, gap: gap)
            }
        }
    }
}

@Suite("rope")
struct RopeTests {
    static let tablePositions = 300

    @Test("layouts, sizes and partial rotation", arguments: RopeCase.all.selected)
    func rotates(_ one: RopeCase) {
        var random = one.random
        let columns = one.heads * one.headSize
        let x = random.floats(one.tokens * columns)
        let rope = Reference.Rope(
            table: Reference.ropeTable(positions: RopeTests.tablePositions, rotarySize: one.rotarySize),
            positions: random.int32s(one.tokens, in: 0..<RopeTests.tablePositions), rotarySize: one.rotarySize,
            layout: one.layout)
        let expected = Reference.rope(
            Matrix(rows: one.tokens, columns: columns, floats: x), headSize: one.headSize, rope)
        onEveryDevice(one.name) { backend, expectations in
            let tensor = try GuardedTensor(on: backend, x, [one.tokens, columns], gap: one.gap)
            let device = try DeviceRope(backend, rope)
            try backend.rope(tensor.tensor, headSize: one.headSize, device.arguments)
            // Two products and a sum in FP32.
            try expectations.close(tensor, expected, bound: 1e-13)
            try device.expectUnchanged(expectations)
            let found = NumberFormats.decode(try tensor.contents().bytes, as: .float32)
            let kept = found.indices.filter { $0 % one.headSize >= one.rotarySize }
            expectations.expect(kept.allSatisfy { found[$0] == x[$0] }, "elements past the rotary size changed")
        }
    }
}

/// A reference rotation's arguments on a device.
struct DeviceRope {
    let arguments: RopeArguments
    private let table: GuardedTensor
    private let positions: GuardedTensor

    init(_ backend: any Backend, _ rope: Reference.Rope) throws {
        let half = rope.rotarySize / 2
        table = try GuardedTensor(on: backend, rope.table, [rope.table.count / max(2 * half, 1), 2, half])
        positions = try GuardedTensor(on: backend, rope.positions, [rope.positions.count])
        arguments = RopeArguments(
            table: table.tensor, positions: positions.tensor, rotarySize: rope.rotarySize, layout: rope.layout)
    }

    func expectUnchanged(_ expectations: Expectations) throws {
        try expectations.unchanged(table, "rope table")
        try expectations.unchanged(positions, "positions")
    }
}
