import Foundation
import Images
import JSONCore
import TestSupport
import Testing

/// Files and configurations with what Pillow and transformers make of them; see Tools/make_image_cases.py.
struct ImageCase: Sendable, CustomTestStringConvertible {
    let folder: URL
    let file: String
    /// `nil`: the decoded pixels are compared.
    let configuration: [UInt8]?
    let answer: String
    let shape: [Int]

    var testDescription: String { "\(answer) of \(file)" }

    /// Those of the fixtures, and of the folder that `INFER_IMAGE_CASES` names.
    static let all: [ImageCase] = {
        let more = ProcessInfo.processInfo.environment["INFER_IMAGE_CASES"].map { URL(fileURLWithPath: $0) }
        return ([ReferenceMaterial.fixtures.appendingPathComponent("images")] + [more].compactMap { $0 }).flatMap(read)
    }()

    private static func read(_ folder: URL) -> [ImageCase] {
        guard let data = try? Data(contentsOf: folder.appendingPathComponent("cases.json")),
            let list = (try? JSONSerialization.jsonObject(with: data)) as? [[String: Any]]
        else { return [] }
        return list.compactMap { one in
            guard let file = one["file"] as? String, let answer = one["answer"] as? String,
                let shape = one["shape"] as? [Int]
            else { return nil }
            let configuration = (one["config"] as? [String: Any]).flatMap {
                try? JSONSerialization.data(withJSONObject: $0)
            }
            return ImageCase(
                folder: folder, file: file, configuration: configuration.map { [UInt8]($0) }, answer: answer,
                shape: shape)
        }
    }

    func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: folder.appendingPathComponent(name)))
    }
}

@Suite("image files")
struct ImageCaseTests {
    @Test("there are cases") func areThere() { #expect(ImageCase.all.count >= 20) }

    /// JPEG may differ by one: Pillow brings a newer libjpeg-turbo.
    @Test("pixels as Pillow decodes them", arguments: ImageCase.all.filter { $0.configuration == nil })
    func decodes(_ one: ImageCase) throws {
        let image = try PixelImage(decoding: one.bytes(one.file), path: one.file).rgb
        #expect([image.height, image.width, image.channelCount] == one.shape)
        let worst = zip(image.bytes, try one.bytes(one.answer)).map { abs(Int($0) - Int($1)) }.max() ?? 0
        #expect(worst <= (one.file.hasSuffix(".jpg") ? 1 : 0))
    }

    @Test("values as transformers prepares them", arguments: ImageCase.all.filter { $0.configuration != nil })
    func prepares(_ one: ImageCase) throws {
        let preprocessor = try ImagePreprocessor(parsing: one.configuration ?? [], path: "preprocessor_config.json")
        let image = try PixelImage(decoding: one.bytes(one.file), path: one.file)
        let pixels = preprocessor.pixels(of: image)
        #expect([pixels.channelCount, pixels.height, pixels.width] == one.shape)
        let expected = try one.bytes(one.answer).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        let found = preprocessor.values(of: pixels)
        try #require(found.count == expected.count)
        // One step of a byte, as far as the normalisation stretches it.
        let step = (preprocessor.deviation ?? [1]).map { 1 / (255 * $0) }.max() ?? 0
        let worst = zip(found, expected).map { abs(Double($0) - Double($1)) }.max() ?? 0
        #expect(worst <= (one.file.hasSuffix(".jpg") ? step * 1.01 : 1e-6))
    }

    @Test("a written PNG reads as it was", arguments: [1, 3])
    func writes(channels: Int) throws {
        var random = SplitMix64(name: "png \(channels)")
        let bytes = (0..<7 * 5 * channels).map { _ in UInt8.random(in: 0...255, using: &random) }
        let image = PixelImage(width: 7, height: 5, channelCount: channels, bytes: bytes)
        #expect(try PixelImage(decoding: image.png(path: "out.png"), path: "out.png") == image)
    }

    @Test("broken files end in an error of one line", arguments: ImageCase.all.filter { $0.configuration == nil })
    func refusesBroken(_ one: ImageCase) throws {
        let file = try one.bytes(one.file)
        var random = SplitMix64(name: one.file)
        // More of them where they are wanted.
        let rounds = ProcessInfo.processInfo.environment["INFER_IMAGE_MUTATIONS"].flatMap(Int.init) ?? 60
        for round in 0..<rounds {
            var bytes = file
            if round % 3 == 0 {
                bytes.removeLast(Int.random(in: 1..<bytes.count, using: &random))
            } else {
                for _ in 0...round % 4 {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
                }
            }
            do {
                _ = try PixelImage(decoding: bytes, path: one.file)
            } catch let error as ImageError {
                #expect(!error.description.contains("\n"))
            }
        }
    }

    @Test("sizes are checked before memory is taken")
    func refusesHuge() throws {
        // A PNG header that promises 2^31 - 1 pixels a side, and a JPEG frame of 32,768.
        let png: [UInt8] =
            [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13] + Array("IHDR".utf8)
            + [0x00, 0xFF, 0xFF, 0xFF, 0x00, 0xFF, 0xFF, 0xFF, 8, 2, 0, 0, 0, 0, 0, 0, 0]
        #expect(throws: ImageError.self) { try PixelImage(decoding: png, path: "huge.png") }
        var jpeg = try Data(
            contentsOf: ReferenceMaterial.fixtures.appendingPathComponent("images/9-rgb.jpg")
        ).map { $0 }
        let frame = try #require(jpeg.indices.first { jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xC0 })
        for offset in 5..<9 { jpeg[frame + offset] = offset % 2 == 1 ? 0x80 : 0 }
        #expect(
            throws: ImageError.tooLarge(
                path: "huge.jpg", width: 32768, height: 32768, maximumPixelCount: PixelImage.maximumPixelCount)
        ) { try PixelImage(decoding: jpeg, path: "huge.jpg") }
    }

    @Test("what is no image is named")
    func refusesOthers() {
        #expect(throws: ImageError.unknownFormat(path: "x.gif")) {
            try PixelImage(decoding: Array("GIF89a".utf8), path: "x.gif")
        }
        #expect(throws: ImageError.unknownFormat(path: "empty")) { try PixelImage(decoding: [], path: "empty") }
    }
}

@Suite("preprocessing")
struct PreprocessorTests {
    @Test(
        "broken configurations name the key",
        arguments: [
            #"{"size": 0}"#, #"{"size": {"height": 3}}"#, #"{"size": "big"}"#, #"{"size": 1e9}"#, #"{"resample": 9}"#,
            #"{"image_mean": [1, 2]}"#, #"{"image_std": [0, 1, 1]}"#, #"{"do_resize": 1}"#, #"{"rescale_factor": "x"}"#,
            #"{"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 8}, "crop_pct": 0}"#,
        ])
    func refuses(text: String) {
        #expect(throws: ImageError.self) { try ImagePreprocessor(parsing: Array(text.utf8), path: "p.json") }
    }

    @Test("a folder of timm: the shorter side over crop_pct, then the middle")
    func readsTimm() throws {
        let text =
            #"{"input_size": [3, 224, 224], "crop_pct": 0.95, "interpolation": "bicubic", "mean": [0.5, 0.5, 0.5]}"#
        let root = try JSONDocument(parsing: Array(text.utf8), source: "config.json").root
        let made = try ImagePreprocessor(timm: root, path: "config.json")
        #expect(made.resize == .shortestEdge(235, longest: nil))
        #expect(made.crop == ImagePreprocessor.CropSize(width: 224, height: 224))
        #expect(made.filter == .bicubic)
        #expect(made.mean == [0.5, 0.5, 0.5])
        #expect(made.deviation == [0.229, 0.224, 0.225])
    }
}
