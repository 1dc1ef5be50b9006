import CPUBackend
import TensorCore
import TestSupport
import Testing

/// Products of 8-bit integers with the largest quants and integers there are, and across instruction sets.
@Suite("integer products")
struct IntegerProductTests {
    private static let formats = WeightFormat.allCases.filter { $0 == .int8 || $0.blockSize > 1 }

    /// Sums of a few products come close to the end of 16 bits, which some instructions take.
    @Test(
        "largest quants and activations",
        arguments: IntegerProductTests.formats.filter { $0 == .int8 || BlockReference.reads($0) }, [3, 20])
    func largest(_ format: WeightFormat, tokens: Int) {
        let columns = format.fitting(96)
        let weight = PackedWeight(
            format: format, fillings: [0xff, 0x80, 0x00, 0x7f, 0x0f, 0xf0], rows: 24, columns: columns)
        // All positive, all negative, and signs that change within a quad.
        let signs: [(Int) -> Float] = [{ _ in 127 }, { _ in -127 }, { $0 % 2 == 0 ? 127 : -127 }]
        let x = (0..<tokens * columns).map { signs[$0 / columns % 3]($0 % columns) }
        let expected = Reference.matmul(
            Matrix(rows: tokens, columns: columns, floats: x), weight.values,
            epilogue: .init(bias: nil, activation: nil, isGated: false, residual: nil))
        onEveryDevice("\(format.rawValue) T=\(tokens)") { backend, expectations in
            let prepared = try backend.prepare(weight.source, precision: .medium)
            let input = try GuardedTensor(on: backend, x, [tokens, columns])
            let output = try GuardedTensor(on: backend, .float32, [tokens, weight.values.rows])
            try backend.matmul(input.tensor, prepared, into: output.tensor, epilogue: .none)
            try expectations.close(output, expected, bound: MatmulTests.bound)
        }
    }

    /// Products are exact and scales are applied in one order, whatever the vectors are. Sets that pack weights (VNNI) add up
    /// in another order.
    @Test("AVX2 and AVX-512 agree to the last bit", arguments: IntegerProductTests.formats, [1, 2, 3, 4, 9, 16, 40])
    func agreement(_ format: WeightFormat, tokens: Int) throws {
        let sets = CPUBackend.KernelSet.all.filter { ["avx2_int8", "avx512_int8"].contains($0.name) }
        guard sets.allSatisfy(\.isSupported) else {
            print("integer products of AVX2 and AVX-512: not compared: this processor lacks one of them")
            return
        }
        let outputs = try sets.map {
            try product(format, tokens: tokens, partRows: [33, 20], by: CPUBackend(threadCount: 2, kernelSets: [$0]))
        }
        #expect(outputs[0] == outputs[1])
    }

    /// 53 rows are packed where the processor packs any, with five left over; so are 64.
    @Test("as many threads as one likes give the same bits", arguments: IntegerProductTests.formats, [1, 7, 20])
    func threads(_ format: WeightFormat, tokens: Int) throws {
        for partRows in [[33, 20], [16, 48]] {
            let outputs = try [1, 2, 3].map {
                try product(format, tokens: tokens, partRows: partRows, by: CPUBackend(threadCount: $0))
            }
            #expect(outputs[0] == outputs[1] && outputs[0] == outputs[2])
        }
    }

    @Test("rows are looked up before and after a product packed them", arguments: [WeightFormat.q4_0, .q4_K])
    func lookups(_ format: WeightFormat) throws {
        let columns = format.fitting(64)
        var random = SplitMix64(name: "lookups \(format.rawValue)")
        let weight = PackedWeight(format: format, partRows: [64], columns: columns, random: &random)
        let backend = try CPUBackend(threadCount: 1)
        try backend.reserve(ConformanceDevice.limits)
        let table = try backend.prepare(weight.source, precision: .medium)
        let x = try backend.makeTensor(random.floats(columns, scale: 1), [1, columns])
        let output = try backend.makeTensor([Float](repeating: 0, count: 64), [1, 64])
        let id = try backend.makeTensor([Int32(63)], [1])
        for _ in 0..<2 {
            let row = try backend.makeTensor([Float](repeating: 0, count: columns), [1, columns])
            try backend.embed(id, table, scale: 1, accumulate: false, into: row)
            let found = try backend.readFloats(row).map(Double.init)
            let expected = weight.values.values[63 * columns..<64 * columns]
            #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 1e-6 * max(1, abs($1)) })
            try backend.matmul(x, table, into: output, epilogue: .none)
        }
    }

    private func product(
        _ format: WeightFormat, tokens: Int, partRows: [Int], by backend: CPUBackend
    ) throws -> [UInt8] {
        let columns = format.fitting(2304), rows = partRows.reduce(0, +)
        var random = SplitMix64(name: "agreement \(format.rawValue) T=\(tokens)")
        let weight = PackedWeight(format: format, partRows: partRows, columns: columns, random: &random)
        let x = random.floats(tokens * columns, scale: 1.5)
        try backend.reserve(ConformanceDevice.limits)
        let prepared = try backend.prepare(weight.source, precision: .medium)
        let input = try GuardedTensor(on: backend, x, [tokens, columns])
        let output = try GuardedTensor(on: backend, .float32, [tokens, rows])
        try backend.matmul(input.tensor, prepared, into: output.tensor, epilogue: .none)
        return try output.contents().bytes
    }
}
