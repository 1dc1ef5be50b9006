import Foundation
import ModelIO
import TensorCore
import TestSupport
import Testing

/// Folders that were quantised before they were published. `Tools/make_prequantized_fixtures.py` packs one matrix in each
/// scheme and keeps its values.
@Suite struct PrequantizedTests {
    private static let root = ReferenceMaterial.fixtures.appendingPathComponent("prequantized").path
    static let names = (try? FileManager.default.contentsOfDirectory(atPath: root).sorted()) ?? []

    @Test func fixturesAreThere() { #expect(Self.names.count >= 20) }

    @Test(arguments: names)
    func valuesAreThoseOfTheScheme(_ name: String) throws {
        let folder = "\(Self.root)/\(name)"
        let expected = try Checkpoint(safetensors: folder + "/expected.safetensors")
        let found = try ModelLocation(folder).openCheckpoint()
        #expect(Set(found.tensors.keys) == Set(expected.tensors.keys))
        for (key, tensor) in expected.tensors {
            let other = try #require(found[key])
            #expect(other.shape == tensor.shape && other.type == .float32)
            let (a, b) = (elements(other.bytes, Float.self), elements(tensor.bytes, Float.self))
            for index in b.indices {
                #expect(
                    abs(a[index] - b[index]) <= 1e-6 * abs(b[index]), "\(key)[\(index)]: \(a[index]), not \(b[index])")
            }
        }
    }

    @Test(arguments: [
        ("{\"quant_method\":\"aqlm\"}", "aqlm"), ("{\"quant_method\":\"gptq\",\"bits\":3}", "3 bits"),
        ("{\"quant_method\":\"awq\",\"version\":\"gemv\"}", "gemv"), ("{\"quant_method\":\"hqq\"}", "hqq"),
        ("{\"bits\":4}", "unknown method"),
        (
            "{\"quant_method\":\"compressed-tensors\",\"format\":\"nvfp4-pack-quantized\",\"config_groups\":{\"g\":{\"weights\":{\"num_bits\":4,\"type\":\"float\"}}}}",
            "nvfp4"
        ),
    ])
    func unsupportedSchemesAreNamed(_ scheme: String, _ says: String) {
        let text = errorText {
            let config = "{\"model_type\":\"llama\",\"quantization_config\":\(scheme)}"
            _ = try ModelConfiguration(parsing: Array(config.utf8), path: "c.json")
        }
        #expect(text?.contains(says) == true && text?.contains("c.json") == true, "\(text ?? "no error")")
    }

    /// `INFER_FUZZ_RUNS` sets how many mutations are tried.
    @Test func mutationsEndInTypedErrors() throws {
        let runs = ProcessInfo.processInfo.environment["INFER_FUZZ_RUNS"].flatMap { Int($0) } ?? 400
        let names = ["gptq4-v1", "awq", "compressed-int4-asymmetric", "fp8-block", "bnb4-nested", "mxfp4"]
        let seeds = try names.map { name in
            (name, try Array(Data(contentsOf: URL(fileURLWithPath: "\(Self.root)/\(name)/model.safetensors"))))
        }
        let folder = try TemporaryFolder()
        var generator = SplitMix64(seed: 17)
        var accepted = 0
        for run in 0..<runs {
            let (name, bytes) = seeds[run % seeds.count]
            let config = try Array(Data(contentsOf: URL(fileURLWithPath: "\(Self.root)/\(name)/config.json")))
            // The header is where shapes and types are; the numbers behind it are changed as well.
            let headerCount = 8 + Int(bytes[0]) + Int(bytes[1]) << 8
            let isHeader = run % 3 != 0
            let part = isHeader ? Array(bytes[8..<headerCount]) : Array(bytes[headerCount...])
            let mutated = generator.mutate(part)
            var file = isHeader ? mutated : Array(bytes[8..<headerCount])
            let count = UInt64(file.count)
            file = withUnsafeBytes(of: count.littleEndian) { Array($0) } + file
            file += isHeader ? Array(bytes[headerCount...]) : mutated
            try folder.write(file, to: "model.safetensors")
            try folder.write(run % 7 == 0 ? generator.mutate(config) : config, to: "config.json")
            do {
                let checkpoint = try ModelLocation(folder.path).openCheckpoint()
                for tensor in checkpoint.tensors.values {
                    precondition(tensor.bytes.byteCount == tensor.shape.elementCount * tensor.type.blockByteCount)
                }
                accepted += 1
            } catch let error as LoadError {
                #expect(!error.description.isEmpty)
            }
        }
        #expect(accepted > 5)
    }
}
