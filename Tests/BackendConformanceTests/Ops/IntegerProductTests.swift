import CPUBackend
import TensorCore
import TestSupport
import Testing

/// Products of 8-bit integers at the ends of what levels and integers may be, and across instruction sets.
@Suite("integer products")
struct IntegerProductTests {
    private static let formats = WeightFormat.allCases.filter { $0 == .int8 || $0.blockSize > 1 }

    /// Sums of a few products come close to the end of 16 bits, which some instructions take.
    @Test(
        "largest levels and activations",
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

    /// Products are exact and scales are applied in one order, whatever the vectors are.
    @Test("AVX2 and AVX-512 agree to the last bit", arguments: IntegerProductTests.formats, [1, 2, 3, 4, 9, 16, 40])
    func agreement(_ format: WeightFormat, tokens: Int) throws {
        let sets: [CPUBackend.InstructionSet] = [.avx2, .avx512]
        guard sets.allSatisfy(\.isSupported) else {
            print("integer products of AVX2 and AVX-512: not compared: this processor lacks one of them")
            return
        }
        let columns = format.fitting(2304)
        var random = SplitMix64(name: "agreement \(format.rawValue) T=\(tokens)")
        let weight = PackedWeight(format: format, partRows: [33, 20], columns: columns, random: &random)
        let x = random.floats(tokens * columns, scale: 1.5)
        let outputs = try sets.map { set in
            let backend = try CPUBackend(threadCount: 2, instructionSet: set)
            try backend.reserve(ConformanceDevice.limits)
            let prepared = try backend.prepare(weight.source, precision: .medium)
            let input = try GuardedTensor(on: backend, x, [tokens, columns])
            let output = try GuardedTensor(on: backend, .float32, [tokens, 53])
            try backend.matmul(input.tensor, prepared, into: output.tensor, epilogue: .none)
            return try output.contents().bytes
        }
        #expect(outputs[0] == outputs[1])
    }
}
