import Foundation
import Images
import Inference
import Models
import TestSupport
import Testing

@Suite("the bundled models of images")
struct BundledImageModelTests {
    /// Twenty held-out digits (Tools/train_digit_models.py), two of each, in a folder for each label.
    private static func digits() throws -> [(label: String, image: PixelImage)] {
        let folder = ReferenceMaterial.fixtures.appendingPathComponent("digits")
        return try (0...9).flatMap { digit -> [(label: String, image: PixelImage)] in
            let inner = folder.appendingPathComponent("\(digit)")
            return try FileManager.default.contentsOfDirectory(atPath: inner.path).sorted().map { name in
                let data = try Data(contentsOf: inner.appendingPathComponent(name))
                return ("\(digit)", try PixelImage(decoding: [UInt8](data), path: name))
            }
        }
    }

    @Test("the reader reads digits it has not learned, light on dark and dark on light", arguments: InferenceDevice.all)
    func reads(_ device: InferenceDevice) throws {
        let task = try ImageClassifier(ModelPackage.bundled(.digitReader), on: device.make())
        let digits = try Self.digits()
        #expect(digits.count == 20)
        let inverted = digits.map { digit in
            PixelImage(
                width: digit.image.width, height: digit.image.height, channelCount: digit.image.channelCount,
                bytes: digit.image.bytes.map { 255 - $0 })
        }
        for images in [digits.map(\.image), inverted] {
            let right = zip(digits, try task.run(images)).count { $0.label == $1.first?.label }
            #expect(right >= 18, "\(right) of 20")
        }
    }

    @Test("what the writer writes, the reader reads", arguments: InferenceDevice.all)
    func writes(_ device: InferenceDevice) throws {
        let backend = try device.make()
        let writer = try ImageGenerator(ModelPackage.bundled(.digitWriter), on: backend)
        let reader = try ImageClassifier(ModelPackage.bundled(.digitReader), on: backend)
        #expect(writer.labels == (0...9).map { "\($0)" })
        let latents = writer.latents(seed: 1, count: 50)
        let answers = try reader.run(writer.images(of: latents)).map { $0.first?.label }
        let right = answers.enumerated().count { $0.element == "\($0.offset % 10)" }
        #expect(right >= 40, "\(right) of 50")
        let sevens = try reader.run(writer.images(of: latents, labels: [7])).count { $0.first?.label == "7" }
        #expect(sevens >= 40, "\(sevens) of 50")
    }

    @Test("a way between latent vectors begins and ends with them, and keeps their length")
    func interpolates() throws {
        let generator = try ImageGenerator(
            ModelPackage.bundled(.digitWriter), on: #require(InferenceDevice.all.first).make())
        let (first, last) = (generator.latents(seed: 3, count: 1)[0], generator.latents(seed: 4, count: 1)[0])
        #expect(first.count == generator.latentCount)
        #expect(ImageGenerator.between(first, last, share: 0) == first)
        #expect(ImageGenerator.between(first, last, share: 1) == last)
        func length(_ vector: [Float]) -> Double {
            vector.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        }
        let middle = ImageGenerator.between(first, last, share: 0.5)
        let lengths = [length(first), length(last)].sorted()
        #expect(length(middle) > lengths[0] * 0.8 && length(middle) < lengths[1] * 1.2)
        // In one line, or without a direction.
        let zeros = [Float](repeating: 0, count: first.count)
        for other in [first, first.map { -$0 }, zeros] {
            let between = ImageGenerator.between(first, other, share: 0.25)
            #expect(between.allSatisfy { $0.isFinite })
        }
    }
}
