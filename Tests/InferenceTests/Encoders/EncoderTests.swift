import Foundation
import Inference
import ModelIO
import Models
import TensorCore
import TestSupport
import Testing

@Suite("Encoders")
struct EncoderTests {
    private func run(
        _ package: ModelPackage, _ inputs: [EncoderInput], on device: InferenceDevice,
        options: EngineOptions = EngineOptions(precision: .highest)
    ) throws -> [EncoderResult] {
        let longest = inputs.map(\.tokens.count).max() ?? 0
        return try EncoderPass(package, on: device.make(), longest: longest, options: options).run(inputs)
    }

    @Test("answers agree with the float64 ones", arguments: InferenceDevice.all)
    func answers(device: InferenceDevice) throws {
        for reference in EncoderReference.all {
            let error = try reference.error(run(reference.package(), reference.inputs(), on: device))
            #expect(error <= 1e-9, "\(reference) on \(device.name): NMSE \(error)")
        }
    }

    @Test(
        "16-bit and 8-bit weights stay near the answers", arguments: InferenceDevice.fast,
        [(WeightFormat.bfloat16, 2e-3), (.float16, 2e-5), (.int8, 2e-2)])
    func convertedWeights(device: InferenceDevice, format: (WeightFormat, Double)) throws {
        for reference in EncoderReference.fixtures {
            let results = try run(
                reference.package(), reference.inputs(), on: device, options: EngineOptions(weightFormat: format.0))
            let error = try reference.error(results)
            #expect(error <= format.1, "\(reference) in \(format.0) on \(device.name): NMSE \(error)")
        }
    }

    @Test("a text's answer does not depend on the texts beside it", arguments: InferenceDevice.all)
    func together(device: InferenceDevice) throws {
        let reference = try #require(EncoderReference.fixtures.first)
        let package = try reference.package()
        let sources = try reference.inputs()
        // More texts than share a pass.
        let inputs = (0..<300).map { index in
            let source = sources[index % sources.count]
            let end = 12 + index % 20
            return EncoderInput(
                tokens: Array(source.tokens[..<end]), mask: source.mask.map { Array($0[..<end]) },
                segments: source.segments.map { Array($0[..<end]) })
        }
        let together = try run(package, inputs, on: device)
        let pass = try EncoderPass(
            package, on: device.make(), longest: 32, options: EngineOptions(precision: .highest))
        #expect(together.allSatisfy { $0.values.count == inputs.count })
        for (index, input) in inputs.enumerated() {
            for (result, alone) in zip(together, try pass.run([input])) {
                let error = normalizedMeanSquaredError(result.values[index], alone.values[0].map(Double.init))
                #expect(error <= 1e-11, "\(result.name) of text \(index) on \(device.name): NMSE \(error)")
            }
        }
    }

    @Test("rows of hidden tokens are zero")
    func hiddenRows() throws {
        let reference = try #require(EncoderReference.fixtures.first)
        let inputs = try reference.inputs()
        let device = try #require(InferenceDevice.all.first)
        let states = try #require(try run(reference.package(), inputs, on: device).first)
        for (input, values) in zip(inputs, states.values) {
            for place in input.tokens.indices where input.mask?[place] == false {
                let row = values[place * states.width..<(place + 1) * states.width]
                #expect(row.allSatisfy { $0 == 0 })
            }
        }
    }

    @Test("what does not fit the model is refused")
    func refusals() throws {
        let reference = try #require(EncoderReference.fixtures.first)
        let package = try reference.package()
        let device = try #require(InferenceDevice.all.first)
        func refuse(_ input: EncoderInput, _ expected: InferenceError, longest: Int = 40) throws {
            let pass = try EncoderPass(package, on: device.make(), longest: longest)
            #expect(throws: expected) { try pass.run([EncoderInput(tokens: [5, 6]), input]) }
        }
        try refuse(EncoderInput(tokens: [5, 96]), .tokenOutOfRange(id: 96, vocabularySize: 96))
        try refuse(EncoderInput(tokens: [-1, 7]), .tokenOutOfRange(id: -1, vocabularySize: 96))
        try refuse(EncoderInput(tokens: [5], segments: [2]), .segmentOutOfRange(id: 2, segmentCount: 2))
        try refuse(EncoderInput(tokens: [5, 6], mask: [false, false]), .nothingVisible(row: 1))
        try refuse(EncoderInput(tokens: []), .nothingVisible(row: 1))
        let long = [Int](repeating: 9, count: 41)
        try refuse(EncoderInput(tokens: long), .rowTooLong(row: 1, tokenCount: 41, maximum: 40), longest: 41)
        // What a model does not read may be anything, and so may a hidden token.
        let distilled = try #require(EncoderReference.fixtures.first { $0.name == "distilbert-heads" })
        let other = try EncoderPass(distilled.package(), on: device.make(), longest: 1)
        #expect(try other.run([EncoderInput(tokens: [5], segments: [.max])]).isEmpty == false)
        let pass = try EncoderPass(package, on: device.make(), longest: 2)
        #expect(try pass.run([EncoderInput(tokens: [5, 999], mask: [true, false])]).isEmpty == false)
    }

    @Test("an encoder generates nothing")
    func noDecoder() throws {
        let reference = try #require(EncoderReference.fixtures.first)
        let package = try reference.package()
        #expect(package.kind == .encoder)
        let error = #expect(throws: InferenceError.self) { try package.describe() }
        #expect(error?.description.contains("infer forward") == true)
    }

    @Test("folders written as GGUF answer the same", arguments: EncoderReference.fixtures.filter(\.hasGGUF))
    func gguf(reference: EncoderReference) throws {
        let kind = try #require(reference.kind)
        let folder = try reference.folderCopy(kind)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("model.gguf").path
        let input = try QuantizationInput(path: folder.path)
        try ModelQuantizer(input, type: .f32).write(to: file)
        let copy = try ModelPackage(path: file)
        let original = try ModelPackage(path: folder.path)
        let description = try copy.describeEncoder()
        #expect(try description.maxTokenCount == original.describeEncoder().maxTokenCount)
        let classifies = kind == "ForSequenceClassification" && reference.name != "distilbert-heads"
        #expect(description.task == (classifies ? .sequenceClassification : .hiddenStates))
        // Other heads are told to be left out.
        #expect(input.notices.contains { $0.contains("head") } == (kind != "Model" && !classifies))
        var texts = try reference.inputs()
        // Files count positions from 0 whatever the ids are: the texts without padding between.
        texts.removeLast(2)
        var kept = reference
        if !classifies { kept.kind = "Model" }
        let expected = try kept.package()
        for device in InferenceDevice.fast {
            let found = try run(copy, texts, on: device)
            let wanted = try run(expected, texts, on: device)
            for (one, other) in zip(found, wanted) {
                #expect(one.name == other.name)
                let error = normalizedMeanSquaredError(
                    one.values.flatMap { $0 }, other.values.flatMap { $0 }.map(Double.init))
                #expect(error <= 1e-12, "\(one.name) of \(reference) on \(device.name): NMSE \(error)")
            }
        }
        if classifies { #expect(description.labels == ["negative", "neutral", "positive"]) }
    }
}
