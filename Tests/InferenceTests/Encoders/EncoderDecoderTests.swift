import Foundation
import Inference
import ModelIO
import Models
import TensorCore
import TestSupport
import Testing

@Suite("Encoder-decoders")
struct EncoderDecoderTests {
    /// The fixtures (made by Tools/make_encoder_reference.py), and the model of `transformers`.
    private static let folders: [URL] = {
        let fixtures = ["t5-gated", "t5-plain"].map {
            ReferenceMaterial.fixtures.appendingPathComponent("models/\($0)")
        }
        let shared = ReferenceMaterial.locate("reference/models/t5", for: "EncoderDecoderTests")
        return fixtures + (shared.map { [$0] } ?? [])
    }()

    private func inputs(_ folder: URL) throws -> (expected: Checkpoint, inputs: [EncoderDecoderInput]) {
        let expected = try Checkpoint(safetensors: folder.appendingPathComponent("expected.safetensors").path)
        let (ids, masks) = (try expected.rows("input_ids"), try expected.rows("attention_mask"))
        let targets = try expected.rows("decoder_input_ids")
        let inputs = ids.indices.map { row in
            EncoderDecoderInput(
                source: EncoderInput(tokens: ids[row], mask: masks[row].map { $0 != 0 }), target: targets[row])
        }
        return (expected, inputs)
    }

    private func pass(
        _ package: ModelPackage, _ inputs: [EncoderDecoderInput], on device: InferenceDevice,
        options: EngineOptions = EngineOptions(precision: .highest)
    ) throws -> EncoderDecoderPass {
        try EncoderDecoderPass(
            package, on: device.make(), longestSource: inputs.map(\.source.tokens.count).max() ?? 0,
            longestTarget: inputs.map(\.target.count).max() ?? 0, options: options)
    }

    /// The largest NMSE of the results, of the hidden states where the mask is not zero.
    private func error(
        _ results: [EncoderResult], _ expected: Checkpoint, _ inputs: [EncoderDecoderInput]
    ) throws -> Double {
        #expect(Set(results.map(\.name)) == ["logits", "encoder_last_hidden_state"])
        return try results.map { result in
            let all = try expected.doubles(result.name)
            let rowCount = result.values[0].count / result.width
            var found: [Float] = []
            var wanted: [Double] = []
            for (index, input) in inputs.enumerated() {
                for row in 0..<rowCount where result.rows == .targets || input.source.mask?[row] ?? true {
                    found += result.values[index][row * result.width..<(row + 1) * result.width]
                    let start = (index * rowCount + row) * result.width
                    wanted += all[start..<start + result.width]
                }
            }
            return normalizedMeanSquaredError(found, wanted)
        }.max() ?? .infinity
    }

    @Test("answers agree with the float64 ones", arguments: InferenceDevice.all, Self.folders)
    func answers(device: InferenceDevice, folder: URL) throws {
        let (expected, inputs) = try inputs(folder)
        let results = try pass(ModelPackage(path: folder.path), inputs, on: device).run(inputs)
        let error = try error(results, expected, inputs)
        #expect(error <= 1e-9, "\(folder.lastPathComponent) on \(device.name): NMSE \(error)")
    }

    @Test("16-bit and 8-bit weights stay near the answers", arguments: InferenceDevice.fast)
    func convertedWeights(device: InferenceDevice) throws {
        for folder in Self.folders {
            let (expected, inputs) = try inputs(folder)
            for (format, bound) in [(WeightFormat.bfloat16, 1e-3), (.float16, 1e-5), (.int8, 2e-2)] {
                let options = EngineOptions(weightFormat: format)
                let pass = try pass(ModelPackage(path: folder.path), inputs, on: device, options: options)
                let error = try error(pass.run(inputs), expected, inputs)
                #expect(error <= bound, "\(folder.lastPathComponent) in \(format) on \(device.name): NMSE \(error)")
            }
        }
    }

    @Test("folders written as GGUF answer the same")
    func gguf() throws {
        // Readers of these files assume that distances from 128 on are one, which the first fixture's are not.
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).gguf")
        defer { try? FileManager.default.removeItem(at: file) }
        for folder in Self.folders.dropFirst() {
            try ModelQuantizer(QuantizationInput(path: folder.path), type: .f32).write(to: file.path)
            let package = try ModelPackage(path: file.path)
            #expect(package.kind == .encoderDecoder)
            #expect(try package.describeEncoderDecoder().startTokenID == 0)
            let (expected, inputs) = try inputs(folder)
            for device in InferenceDevice.fast {
                let error = try error(pass(package, inputs, on: device).run(inputs), expected, inputs)
                #expect(error <= 1e-9, "\(folder.lastPathComponent) on \(device.name): NMSE \(error)")
            }
        }
        let first = try #require(Self.folders.first)
        let error = #expect(throws: LoadError.self) { try QuantizationInput(path: first.path) }
        #expect(error?.description.contains("relative_attention_max_distance") == true)
    }

    @Test("what does not fit the model is refused")
    func refusals() throws {
        let package = try ModelPackage(path: try #require(Self.folders.first).path)
        let device = try #require(InferenceDevice.all.first)
        let pass = try EncoderDecoderPass(package, on: device.make(), longestSource: 3, longestTarget: 2)
        func refuse(_ source: [Int], mask: [Bool]? = nil, target: [Int] = [0], _ expected: InferenceError) {
            let input = EncoderDecoderInput(source: EncoderInput(tokens: source, mask: mask), target: target)
            #expect(throws: expected) { try pass.run([input]) }
        }
        refuse([5, 96], .tokenOutOfRange(id: 96, vocabularySize: 96))
        refuse([5], target: [-1], .tokenOutOfRange(id: -1, vocabularySize: 96))
        refuse([5, 6, 7], mask: [true, false, true], .hiddenInside(row: 0))
        refuse([5, 6], mask: [false, false], .nothingVisible(row: 0))
        refuse([5], target: [], .emptyTarget(row: 0))
        refuse([5, 6, 7, 8], .rowTooLong(row: 0, tokenCount: 4, maximum: 3))
        refuse([5], target: [0, 1, 2], .rowTooLong(row: 0, tokenCount: 3, maximum: 2))
        #expect(throws: InferenceError.self) { try package.describe() }
    }

    @Test(
        "broken values are named",
        arguments: [
            ("d_model", "0"), ("d_kv", "null"), ("d_kv", "257"), ("num_heads", "\"three\""), ("num_layers", "1e9"),
            ("d_ff", "null"), ("vocab_size", "-1"), ("feed_forward_proj", "\"gated-tangent\""),
            ("relative_attention_num_buckets", "3"), ("relative_attention_max_distance", "2"),
            ("relative_attention_max_distance", "1000000"), ("layer_norm_epsilon", "0"),
        ])
    func broken(key: String, value: String) throws {
        let file = ReferenceMaterial.fixtures.appendingPathComponent("models/t5-gated/config.json")
        let object = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
        var settings = try #require(object as? [String: Any])
        settings[key] = try JSONSerialization.jsonObject(with: Data(value.utf8), options: .fragmentsAllowed)
        let bytes = [UInt8](try JSONSerialization.data(withJSONObject: settings))
        let error = #expect(throws: LoadError.self) {
            try ModelRegistry.encoderDecoderPlan(ModelConfiguration(parsing: bytes, path: "config.json")).description
        }
        let line = error?.description ?? ""
        #expect(line.contains(key) && line.contains("config.json") && !line.contains("\n"), "\(line)")
    }
}
