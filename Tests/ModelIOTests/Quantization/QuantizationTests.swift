import Foundation
import ModelIO
import TensorCore
import TestSupport
import Testing

/// A format, and the root mean square error it may have on values of a standard normal distribution.
struct QuantizationCase: Sendable, CustomTestStringConvertible {
    let type: StoredType
    /// Measured on this data, with 2 % of room; llama.cpp's quantiser has 1 to 10 % more on such data.
    let bound: Double

    var testDescription: String { type.rawValue }

    static let all = [
        QuantizationCase(type: .q8_0, bound: 0.00545), QuantizationCase(type: .q4_0, bound: 0.0831),
        QuantizationCase(type: .q4_1, bound: 0.0716), QuantizationCase(type: .q5_0, bound: 0.0412),
        QuantizationCase(type: .q5_1, bound: 0.0345), QuantizationCase(type: .q2_K, bound: 0.274),
        QuantizationCase(type: .q3_K, bound: 0.148), QuantizationCase(type: .q4_K, bound: 0.0721),
        QuantizationCase(type: .q5_K, bound: 0.0355), QuantizationCase(type: .q6_K, bound: 0.0173),
        QuantizationCase(type: .iq4_NL, bound: 0.0752), QuantizationCase(type: .iq4_XS, bound: 0.0759),
        QuantizationCase(type: .mxfp4, bound: 0.1141), QuantizationCase(type: .tq2_0, bound: 0.448),
        QuantizationCase(type: .tq1_0, bound: 0.448),
    ]
}

@Suite struct QuantizationTests {
    private static let columns = 512

    private func quantize(_ values: [Float], as type: StoredType, columns: Int = columns) throws -> [UInt8] {
        let tensor = QuantizationTensor(
            name: "t", shape: [values.count / columns, columns], source: .values(values))
        var bytes: [UInt8] = []
        try QuantizationEncoder(tensor, as: type).encode { part, _ in bytes += part }
        return bytes
    }

    private func decode(_ bytes: [UInt8], as type: StoredType, count: Int) -> [Float] {
        [Float](unsafeUninitializedCapacity: count) { output, initialized in
            bytes.withUnsafeBytes { source in
                guard let source = source.baseAddress, let output = output.baseAddress else { return }
                #expect(ElementConversion.decode(source, type, count: count, into: output))
            }
            initialized = count
        }
    }

    private func roundTrip(_ values: [Float], as type: StoredType, columns: Int = columns) throws -> [Float] {
        decode(try quantize(values, as: type, columns: columns), as: type, count: values.count)
    }

    /// Sums of twelve uniform values: near enough to a normal distribution of deviation 1.
    private func normal(_ count: Int) -> [Float] {
        var random = SplitMix64(name: "quantization")
        return (0..<count).map { _ in random.floats(12, scale: 0.5).reduce(0, +) }
    }

    @Test("errors are within the format's", arguments: QuantizationCase.all)
    func errors(_ format: QuantizationCase) throws {
        let values = normal(64 * Self.columns)
        let decoded = try roundTrip(values, as: format.type)
        let squares = zip(values, decoded).reduce(0.0) { $0 + pow(Double($1.0 - $1.1), 2) }
        let error = (squares / Double(values.count)).squareRoot()
        #expect(error <= format.bound, "\(format.type.rawValue): \(error)")
        // Far below it something would be wrong with the test.
        #expect(error >= format.bound * 0.9, "\(format.type.rawValue): \(error)")
    }

    @Test("scaling the values scales the answer", arguments: QuantizationCase.all)
    func scaling(_ format: QuantizationCase) throws {
        let values = normal(2 * Self.columns)
        let plain = try roundTrip(values, as: format.type)
        // Every step of the search scales with a power of two exactly, as long as scales are no subnormal numbers.
        for factor: Float in [4, 16] {
            let scaled = try roundTrip(values.map { $0 * factor }, as: format.type)
            #expect(scaled == plain.map { $0 * factor })
        }
    }

    @Test("what a format can hold it holds exactly", arguments: QuantizationCase.all)
    func exact(_ format: QuantizationCase) throws {
        for value: Float in [0, 1, -1, 0.5] {
            let values = [Float](repeating: value, count: Self.columns)
            let decoded = try roundTrip(values, as: format.type)
            #expect(decoded.allSatisfy { abs($0 - value) <= abs(value) * 0.002 }, "\(value): \(decoded[0])")
        }
        // Quantising what was quantised changes little.
        let once = try roundTrip(normal(Self.columns), as: format.type)
        let twice = try roundTrip(once, as: format.type)
        let change = zip(once, twice).reduce(0.0) { $0 + pow(Double($1.0 - $1.1), 2) }
        #expect((change / Double(Self.columns)).squareRoot() <= format.bound * 0.6)
    }

    @Test("odd rows end in numbers", arguments: QuantizationCase.all)
    func oddRows(_ format: QuantizationCase) throws {
        let count = Self.columns
        var rows: [[Float]] = [
            (0..<count).map { $0 == 100 ? 1000 : 0 }, (0..<count).map { $0 == 3 ? -1000 : 1 },
            [Float](repeating: 1e-38, count: count), [Float](repeating: -.leastNonzeroMagnitude, count: count),
            (0..<count).map { Float($0) }, (0..<count).map { -5 - Float($0 % 7) },
            (0..<count).map { 5 + Float($0 % 7) },
        ]
        rows.append((0..<count).map { $0 % 2 == 0 ? 60_000 : -60_000 })
        for row in rows {
            let decoded = try roundTrip(row, as: format.type)
            let largest = row.reduce(0) { max($0, abs($1)) }
            #expect(decoded.allSatisfy { $0.isFinite })
            #expect(
                zip(row, decoded).allSatisfy { abs($0 - $1) <= max(largest * 0.51, 1e-7) },
                "\(row[0]), \(row[3]), \(row[100])")
        }
    }

    @Test("q8_0's bytes are those of the definition") func knownBytes() throws {
        let values = (0..<32).map { Float($0 - 16) * 127 / 16 }
        let bytes = try quantize(values, as: .q8_0, columns: 32)
        // A scale of 1, then the values rounded, ties to even.
        #expect(Array(bytes[0..<2]) == [0x00, 0x3C])
        #expect(bytes[2...].map { Int(Int8(bitPattern: $0)) } == values.map { Int($0.rounded(.toNearestOrEven)) })
        let fours = try quantize((0..<32).map { Float($0 % 16 - 8) }, as: .q4_0, columns: 32)
        #expect(fours == [0x00, 0x3C] + (0..<16).map { UInt8($0 * 17) })
    }

    @Test("what cannot be held is refused with its row", arguments: QuantizationCase.all)
    func refused(_ format: QuantizationCase) throws {
        var values = [Float](repeating: 1, count: 3 * Self.columns)
        for bad: Float in [.nan, .infinity, -.infinity] {
            values[2 * Self.columns + 17] = bad
            let text = errorText { _ = try quantize(values, as: format.type) }
            #expect(text == "tensor 't' cannot be stored as \(format.type.rawValue): row 2 holds an infinity or a NaN")
        }
        values[2 * Self.columns + 17] = 1e30
        let text = errorText { _ = try quantize(values, as: format.type) }
        #expect(text?.contains("row 2 holds values that are too large") == true, "\(text ?? "no error")")
        let odd = errorText { _ = try quantize([Float](repeating: 0, count: 48), as: format.type, columns: 48) }
        #expect(odd?.contains("rows of 48 values") == true)
    }

    @Test func floatsPassAsTheyAre() throws {
        let values: [Float] = [0, -0.0, 1, .infinity, .nan, 65_504, 1e-8, 3.14159]
        let f32 = try roundTrip(values, as: .float32, columns: 8)
        #expect(zip(values, f32).allSatisfy { $0.bitPattern == $1.bitPattern })
        let bf16 = try roundTrip(values, as: .bfloat16, columns: 8)
        #expect(bf16[3] == .infinity && bf16[4].isNaN && abs(bf16[7] - 3.14159) < 0.01)
        let f16 = try roundTrip(values, as: .float16, columns: 8)
        #expect(f16[3] == .infinity && f16[4].isNaN && f16[5] == 65_504 && abs(f16[7] - 3.14159) < 0.001)
        let text = errorText { _ = try quantize([1, 65_520], as: .float16, columns: 2) }
        #expect(text?.contains("row 0 holds values that are too large") == true)
    }

    @Test func rowsComeInTheFilesOrder() throws {
        func stored(_ values: [Float], _ shape: Shape) -> StoredTensor {
            StoredTensor(
                name: "s", type: .float32, shape: shape, bytes: hostBytes(values.withUnsafeBytes { [UInt8]($0) }),
                path: "s.safetensors")
        }
        func rows(_ source: QuantizationTensor.Source, _ shape: Shape) throws -> [Float] {
            var bytes: [UInt8] = []
            let tensor = QuantizationTensor(name: "t", shape: shape, source: source)
            try QuantizationEncoder(tensor, as: .float32).encode { part, _ in bytes += part }
            return decode(bytes, as: .float32, count: shape.elementCount)
        }
        let matrix = stored([1, 2, 3, 4, 5, 6], [2, 3])
        #expect(try rows(.transposed(matrix), [3, 2]) == [1, 4, 2, 5, 3, 6])
        #expect(try rows(.rows(matrix), [2, 3]) == [1, 2, 3, 4, 5, 6])
        // Two heads of four rows: the halves of each head alternate.
        let heads = stored((0..<8).map(Float.init), [8])
        #expect(try rows(.reordered(heads, .alternatingHalves(headSize: 4)), [8]) == [0, 2, 1, 3, 4, 6, 5, 7])
        // Two key heads of two rows, each behind the two queries that read it and before its value.
        let fused = stored((0..<16).map(Float.init), [16])
        let order = QuantizationTensor.RowOrder.byKeyHead(headSize: 2, queriesPerKey: 2)
        #expect(
            try rows(.reordered(fused, order), [16]) == [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15])
        // The same with heads of four rows, a part at a time: the halves of queries and keys alternate.
        let wide = stored((0..<32).map(Float.init), [32])
        func part(_ part: Int) -> QuantizationTensor.Source {
            .reordered(wide, .partByKeyHead(part: part, headSize: 4, queriesPerKey: 2))
        }
        #expect(
            try rows(part(0), [16]) == [0, 2, 1, 3, 4, 6, 5, 7, 16, 18, 17, 19, 20, 22, 21, 23])
        #expect(try rows(part(1), [8]) == [8, 10, 9, 11, 24, 26, 25, 27])
        #expect(try rows(part(2), [8]) == [12, 13, 14, 15, 28, 29, 30, 31])
        #expect(try rows(.values([]), [4, 0]) == [])
    }
}
