import Foundation
import Images
import Inference
import JSONCore
import TensorCore
import TestSupport
import Testing

/// A small CLIP and a small SigLIP with tokenizer and processor against `transformers` (Tools/make_vision_reference.py).
@Suite("CLIP")
struct CLIPTests {
    private static let names = ["clip", "siglip"]

    private static func folder(_ name: String) -> URL {
        ReferenceMaterial.fixtures.appendingPathComponent("vision/" + name)
    }

    private struct Cases {
        let image: PixelImage
        let labels: [String]
        let texts: [String]
        let scores: [Double]
        let imageVector: [Double]
        let textVectors: [[Double]]

        init(_ name: String) throws {
            let bytes = [UInt8](try Data(contentsOf: CLIPTests.folder(name).appendingPathComponent("cases.json")))
            let root = try JSONDocument(parsing: bytes, source: "cases.json").root
            func numbers(_ value: JSONValue) throws -> [Double] {
                try value.requireArray().map { try $0.requireDouble() }
            }
            let file = try root.requireString("file")
            let path = ReferenceMaterial.fixtures.appendingPathComponent("images/" + file)
            image = try PixelImage(decoding: [UInt8](Data(contentsOf: path)), path: file)
            labels = try #require(root["labels"]).requireArray().map { try #require($0.string) }
            texts = try #require(root["texts"]).requireArray().map { try #require($0.string) }
            scores = try numbers(#require(root["scores"]))
            imageVector = try numbers(#require(root["image_embeds"]))
            textVectors = try #require(root["text_embeds"]).requireArray().map(numbers)
        }
    }

    private func close(_ found: [Float], _ expected: [Double], _ bound: Double = 1e-5) -> Bool {
        found.count == expected.count && zip(found, expected).allSatisfy { abs(Double($0) - $1) <= bound }
    }

    @Test("any labels, scored as transformers scores them", arguments: InferenceDevice.all, names)
    func classifies(_ device: InferenceDevice, name: String) throws {
        let cases = try Cases(name)
        let task = try ZeroShotClassifier(
            ModelPackage(path: Self.folder(name).path), on: device.make(), labels: cases.labels,
            options: EngineOptions(precision: .highest))
        let answers = try task.run([cases.image, cases.image])
        #expect(answers[0] == answers[1])
        for (label, score) in zip(cases.labels, cases.scores) {
            let found = try #require(answers[0].first { $0.label == label })
            #expect(abs(found.score - score) <= 1e-4)
        }
    }

    @Test("vectors of images and texts", arguments: InferenceDevice.all, names)
    func embeds(_ device: InferenceDevice, name: String) throws {
        let cases = try Cases(name)
        let package = try ModelPackage(path: Self.folder(name).path)
        let (backend, options) = (try device.make(), EngineOptions(precision: .highest))
        let images = try ImageEmbedder(package, on: backend, options: options)
        #expect(close(try images.run([cases.image])[0], cases.imageVector))
        let texts = try CLIPTextEncoder(package, on: backend, for: "embed", options: options)
        for (vector, expected) in zip(try texts.embed(cases.texts), cases.textVectors) {
            #expect(close(UnitVector.of(vector), expected))
        }
        #expect(throws: InferenceError.self) { try texts.embed([String(repeating: "cat ", count: 40)]) }
    }

    @Test("a model without projections is embedded by what it pools")
    func embedsByPooling() throws {
        let reference = try VisionReference.named("vit-features")
        let task = try ImageEmbedder(reference.package(), on: #require(InferenceDevice.all.first).make())
        let image = PixelImage(width: 16, height: 16, channelCount: 1, bytes: (0..<256).map { UInt8($0) })
        let vectors = try task.run([image])
        #expect(vectors.count == 1 && vectors[0].count == 12)
        let classifier = try VisionReference.named("vit").package()
        #expect(throws: InferenceError.self) {
            _ = try ImageEmbedder(classifier, on: #require(InferenceDevice.all.first).make())
        }
    }
}
