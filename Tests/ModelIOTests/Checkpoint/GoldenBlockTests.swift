import ModelIO
import TensorCore
import TestSupport
import Testing

/// Against bytes that llama.cpp's quantiser (or `gguf`) wrote and the values that `gguf` reads from them.
@Suite("golden blocks")
struct GoldenBlockTests {
    @Test("the loader reads the values that other software reads", arguments: WeightFormat.blocked)
    func decoded(format: WeightFormat) throws {
        let golden = try GoldenBlocks(format.numberFormat)
        var values = [Float](repeating: .nan, count: golden.values.count)
        let isKnown = golden.bytes.withUnsafeBytes { bytes in
            values.withUnsafeMutableBufferPointer { output in
                guard let source = bytes.baseAddress, let target = output.baseAddress else { return false }
                return ElementConversion.decode(source, format.numberFormat, count: output.count, into: target)
            }
        }
        #expect(isKnown, "\(format) is a weight format that the loader does not decode")
        expectClose(values, golden, "the loader's \(format)")
    }

    @Test("a GGUF file's tensor is a weight in its own format", arguments: WeightFormat.blocked)
    func loaded(format: WeightFormat) throws {
        let golden = try GoldenBlocks(format.numberFormat)
        var builder = GGUFBuilder(metadata: [("general.architecture", .string("llama"))])
        builder.tensors.append(
            .init("w", [UInt64(golden.values.count / 2), 2], type: UInt32(golden.ggufType), bytes: golden.bytes))
        let folder = try TemporaryFolder()
        try folder.write(builder.file, to: "m.gguf")
        let tensors = try GGUFModel(path: folder.file("m.gguf")).tensors
        let loader = WeightLoader(Checkpoint(path: "m.gguf", tensors: tensors))
        let source = try loader.weight("w", rows: 2, columns: golden.values.count / 2)
        #expect(source.format == format)
        #expect(elements(source.parts[0].bytes, UInt8.self) == golden.bytes)
    }

    @Test(
        "the reference of the other tests reads them too", arguments: WeightFormat.blocked.filter(BlockReference.reads))
    func reference(format: WeightFormat) throws {
        let golden = try GoldenBlocks(format.numberFormat)
        expectClose(BlockReference.decode(golden.bytes, format).map(Float.init), golden, "the reference's \(format)")
    }

    /// Sums of two products may be rounded once or twice, each time by less than 2⁻²⁴ of the block's largest value.
    private func expectClose(_ values: [Float], _ golden: GoldenBlocks, _ what: String) {
        for block in 0..<golden.blockCount {
            let range = block * golden.blockSize..<(block + 1) * golden.blockSize
            let largest = golden.values[range].reduce(0) { max($0, abs($1)) }
            for index in range {
                #expect(abs(values[index] - golden.values[index]) <= largest * 0x1p-22, "\(what): value \(index)")
            }
        }
    }
}
