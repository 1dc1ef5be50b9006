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
        let pixels = try preprocessor.pixels(of: image)
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
        #expect(made.crops == [ImagePreprocessor.CropSize(width: 224, height: 224)])
        #expect(made.filter == .bicubic)
        #expect(made.mean == [0.5, 0.5, 0.5])
        #expect(made.deviation == [0.229, 0.224, 0.225])
    }

    /// What a configuration makes of a white image: its size, and how many pixels of it are white.
    struct Prepared: Sendable, CustomTestStringConvertible {
        var configuration: String
        var size: (width: Int, height: Int)
        var expected: (width: Int, height: Int, whiteCount: Int)
        var testDescription: String { configuration }
    }

    /// As the processors of transformers 5.24 answer.
    private static let prepared: [Prepared] = [
        Prepared(
            configuration: #""size": {"shortest_edge": 33, "longest_edge": 53}"#, size: (47, 7),
            expected: (53, 8, 424)),
        Prepared(
            configuration: #""size": {"shortest_edge": 33, "longest_edge": 53}"#, size: (7, 47),
            expected: (8, 53, 424)),
        Prepared(
            configuration: #""size": {"shortest_edge": 20, "longest_edge": 60}"#, size: (31, 17),
            expected: (36, 20, 720)),
        Prepared(
            configuration: #""size": {"max_height": 33, "max_width": 40}"#, size: (47, 14), expected: (40, 11, 440)),
        Prepared(
            configuration: #""size": {"max_height": 33, "max_width": 40}"#, size: (14, 47), expected: (9, 33, 297)),
        Prepared(configuration: #""size": 9, "default_to_square": false"#, size: (20, 31), expected: (9, 13, 117)),
        Prepared(
            configuration: #""size": [5, 6], "do_pad": true, "pad_size": {"height": 8, "width": 9}"#, size: (20, 31),
            expected: (9, 8, 30)),
        Prepared(
            configuration: #""image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 14}, "#
                + #""crop_pct": 0.5, "do_center_crop": true, "crop_size": {"height": 9, "width": 20}"#,
            size: (30, 40), expected: (20, 9, 126)),
    ]

    @Test("sizes, padding and crops of configurations", arguments: prepared)
    func prepares(_ one: Prepared) throws {
        let text = "{\"do_normalize\": false, \(one.configuration)}"
        let preprocessor = try ImagePreprocessor(parsing: Array(text.utf8), path: "p.json")
        let image = PixelImage(
            width: one.size.width, height: one.size.height, channelCount: 1,
            bytes: Array(repeating: 255, count: one.size.width * one.size.height))
        let pixels = try preprocessor.pixels(of: image)
        let size = preprocessor.size(of: pixels)
        #expect((size.width, size.height) == (one.expected.width, one.expected.height))
        let values = preprocessor.values(of: pixels)
        #expect(values.count == 3 * size.width * size.height)
        #expect(values.prefix(size.width * size.height).count { $0 == 1 } == one.expected.whiteCount)
    }

    @Test("an image that does not fit its padding is an error")
    func doesNotFit() throws {
        let text = #"{"do_resize": false, "do_pad": true, "pad_size": {"height": 3, "width": 3}}"#
        let preprocessor = try ImagePreprocessor(parsing: Array(text.utf8), path: "p.json")
        let image = PixelImage(width: 4, height: 2, channelCount: 1, bytes: Array(repeating: 0, count: 8))
        #expect(throws: ImageError.doesNotFit(width: 4, height: 2, largestWidth: 3, largestHeight: 3)) {
            try preprocessor.pixels(of: image)
        }
    }

    @Test("the middle of odd sizes lies where each library has it")
    func middles() {
        let image = PixelImage(width: 5, height: 1, channelCount: 1, bytes: [1, 2, 3, 4, 5])
        func crop(_ width: Int, _ rounding: CropRounding) -> [UInt8] {
            image.centerCrop(width: width, height: 1, rounding: rounding, borderColour: [9]).bytes
        }
        #expect(crop(2, .numPy) == [2, 3] && crop(2, .torch) == [2, 3] && crop(2, .torchvision) == [3, 4])
        #expect(crop(4, .torchvision) == [1, 2, 3, 4])
        #expect(crop(8, .numPy) == [9, 9, 1, 2, 3, 4, 5, 9])
        #expect(crop(8, .torch) == [9, 1, 2, 3, 4, 5, 9, 9] && crop(8, .torchvision) == crop(8, .torch))
    }

    @Test("the ways of timm to fit an image into the input's size")
    func fitsAsTimm() throws {
        func size(_ keys: String) throws -> (ImagePreprocessor, width: Int, height: Int) {
            let root = try JSONDocument(parsing: Array("{\(keys)}".utf8), source: "config.json").root
            let made = try ImagePreprocessor(timm: root, path: "config.json")
            let image = PixelImage(width: 50, height: 21, channelCount: 1, bytes: Array(repeating: 0, count: 1050))
            var resized = made
            resized.crops = []
            let pixels = try resized.pixels(of: image)
            return (made, pixels.width, pixels.height)
        }
        let covering = try size(#""input_size": [3, 20, 40], "crop_pct": 0.5"#)
        #expect((covering.width, covering.height) == (95, 40))
        let border = try size(#""input_size": [3, 20, 20], "crop_pct": 1, "crop_mode": "border", "mean": [0.5, 0, 1]"#)
        #expect((border.width, border.height) == (20, 8) && border.0.borderColour == [128, 0, 255])
        let squash = try size(#""input_size": [3, 20, 20], "crop_pct": 1, "crop_mode": "squash""#)
        #expect((squash.width, squash.height) == (20, 20))
        #expect(covering.0.cropRounding == .torchvision)
    }
}
