import TensorCore
import TestSupport
import Testing

/// Where a weight's bytes lie and how long they live.
@Suite("weights")
struct WeightTests {
    /// A file gives tensors any alignment it likes.
    @Test("bytes of any alignment", arguments: WeightFormat.allCases, [1, 2, 4, 6, 8, 17])
    func alignment(_ format: WeightFormat, offset: Int) {
        let name = "weight \(format.rawValue) \(offset) bytes off"
        let columns = format.fitting(34)
        var random = SplitMix64(name: name)
        let packed = PackedWeight(format: format, partRows: [20, 13], columns: columns, random: &random)
        let parts = packed.source.parts.map { part in
            WeightPart(
                rows: part.rows, bytes: WeightTests.moved(part.bytes, by: offset),
                scales: part.scales.map { WeightTests.moved($0, by: offset) })
        }
        let source = WeightSource(name: name, format: format, columns: columns, parts: parts)
        let x = random.floats(3 * columns)
        let expected = Reference.matmul(Matrix(rows: 3, columns: columns, floats: x), packed.values)
        onEveryDevice(name) { backend, expectations in
            let weight = try backend.prepare(source)
            let input = try GuardedTensor(on: backend, x, [3, columns])
            let output = try GuardedTensor(on: backend, .float32, [3, 33])
            try backend.matmul(input.tensor, weight, into: output.tensor, epilogue: .none)
            try expectations.close(output, expected, bound: MatmulTests.bound)
        }
    }

    private static func moved(_ bytes: HostBytes, by offset: Int) -> HostBytes {
        let allocation = HostAllocation(byteCount: bytes.byteCount + offset)
        let target = UnsafeMutableRawBufferPointer(rebasing: allocation.pointer[offset...])
        target.copyMemory(from: bytes.pointer)
        return HostBytes(owner: allocation, pointer: UnsafeRawBufferPointer(target))
    }

    @Test("a weight outlives its source", arguments: WeightFormat.allCases)
    func outlives(_ format: WeightFormat) {
        let name = "weight \(format.rawValue) without its source"
        onEveryDevice(name) { backend, expectations in
            let (weight, values) = try prepared(on: backend, format, name)
            let columns = format.fitting(130)
            // Gives the memory of a freed source new contents.
            var random = SplitMix64(name: "noise")
            let noise = (0..<8).map { _ in
                PackedWeight(format: format, partRows: [64, 33], columns: format.fitting(130), random: &random)
            }
            let x = random.floats(columns)
            let input = try GuardedTensor(on: backend, x, [1, columns])
            let output = try GuardedTensor(on: backend, .float32, [1, 97])
            try backend.matmul(input.tensor, weight, into: output.tensor, epilogue: .none)
            let expected = Reference.matmul(Matrix(rows: 1, columns: columns, floats: x), values)
            try expectations.close(output, expected, bound: MatmulTests.bound)
            expectations.expect(noise.count == 8, "the noise went away")
        }
    }

    private func prepared(
        on backend: any Backend, _ format: WeightFormat, _ name: String
    ) throws -> (any Weight, Matrix) {
        var random = SplitMix64(name: name)
        let packed = PackedWeight(format: format, partRows: [64, 33], columns: format.fitting(130), random: &random)
        return (try backend.prepare(packed.source), packed.values)
    }

    @Test("one weight serves as embedding and as output layer", arguments: WeightFormat.allCases)
    func tied(_ format: WeightFormat) {
        let name = "tied \(format.rawValue)"
        let columns = format.fitting(40)
        var random = SplitMix64(name: name)
        let packed = PackedWeight(format: format, partRows: [301], columns: columns, random: &random)
        let ids: [Int32] = [300, 0, 17, 17, 299]
        let embedded = Reference.embed(ids, packed.values)
        let expected = Reference.matmul(embedded, packed.values)
        onEveryDevice(name) { backend, expectations in
            let weight = try backend.prepare(packed.source)
            expectations.expect(weight.rows == 301 && weight.columns == columns, "[\(weight.rows), \(weight.columns)]")
            expectations.expect(weight.format == format && weight.name == packed.source.name, "format or name differ")
            let idTensor = try GuardedTensor(on: backend, ids, [5])
            let x = try GuardedTensor(on: backend, .float32, [5, columns])
            let logits = try GuardedTensor(on: backend, .float32, [5, 301])
            try backend.embed(idTensor.tensor, weight, accumulate: false, into: x.tensor)
            try backend.matmul(x.tensor, weight, into: logits.tensor, epilogue: .none)
            try expectations.close(logits, expected, bound: MatmulTests.bound)
        }
    }

    @Test("the residual may be the input", arguments: WeightFormat.allCases)
    func residualIsInput(_ format: WeightFormat) {
        let name = "residual is x \(format.rawValue)"
        let columns = format.fitting(40)
        var random = SplitMix64(name: name)
        let packed = PackedWeight(format: format, partRows: [columns], columns: columns, random: &random)
        let x = random.floats(6 * columns)
        let input = Matrix(rows: 6, columns: columns, floats: x)
        let expected = Reference.matmul(input, packed.values, epilogue: .init(residual: input))
        onEveryDevice(name) { backend, expectations in
            let weight = try backend.prepare(packed.source)
            let tensor = try GuardedTensor(on: backend, x, [6, columns], gap: 3)
            let output = try GuardedTensor(on: backend, .float32, [6, columns])
            try backend.matmul(
                tensor.tensor, weight, into: output.tensor, epilogue: MatmulEpilogue(residual: tensor.tensor))
            try expectations.close(output, expected, bound: MatmulTests.bound)
            try expectations.unchanged(tensor, "x")
        }
    }
}
