import Foundation
import Images
import Inference
import ModelIO
import Models
import TensorCore
import TestSupport
import Testing

/// A model of images with what it answers, in float64.
struct VisionReference: Sendable, CustomTestStringConvertible {
    let name: String
    let folder: URL

    var testDescription: String { name }

    /// The fixtures (made by Tools/make_vision_reference.py), and those of the reference material.
    static let all: [VisionReference] = {
        let fixtures = [
            "resnet-basic", "resnet-v1", "resnet-features", "vit", "vit-features", "deit", "deit-teacher", "convnext",
            "mobilenet-v2", "mobilenet-v2-dilated", "lenet", "dcgan", "dcgan-conditional", "dcgan-discriminator",
            "clip",
            "tv-alexnet", "tv-vgg11", "tv-vgg11-bn", "tv-resnet18", "tv-resnet50", "tv-inception-v3",
            "tv-mobilenet-v2", "tv-mobilenet-v3-small", "tv-mobilenet-v3-large", "tv-convnext", "timm-vgg11",
            "timm-convnext", "timm-convnext-atto", "timm-vit", "timm-mobilenetv3-small", "timm-mobilenetv3-large",
            "timm-mobilenetv2", "timm-efficientnet", "timm-vit-registers", "timm-vit-patches", "timm-vit-prenorm",
            "timm-deit-distilled", "timm-resnet26d", "timm-seresnet18", "timm-seresnext26t_32x4d",
            "convnextv2", "convnextv2-features", "timm-convnextv2", "tv-vit", "dinov2", "dinov2-other-size",
            "dinov2-registers", "timm-dinov2", "timm-dinov2-registers", "efficientnet", "efficientnet-features",
            "tv-efficientnet-b0", "tv-efficientnet-b5", "tv-efficientnet-v2-s", "timm-tf-efficientnet",
            "timm-tf-efficientnetv2", "timm-resnet18-features", "resnet-gelu", "siglip", "siglip-features",
            "siglip-classifier",
        ].map {
            VisionReference(name: $0, folder: ReferenceMaterial.fixtures.appendingPathComponent("vision/\($0)"))
        }
        guard let shared = ReferenceMaterial.locate("reference/models", for: "VisionTests") else { return fixtures }
        return fixtures
            + ["lenet", "resnet", "dcgan"].map {
                VisionReference(name: "shared \($0)", folder: shared.appendingPathComponent($0))
            }
    }()

    func package() throws -> ModelPackage { try ModelPackage(path: folder.path) }

    func expected() throws -> Checkpoint {
        try Checkpoint(safetensors: folder.appendingPathComponent("expected.safetensors").path)
    }

    static func named(_ name: String) throws -> VisionReference { try #require(all.first { $0.name == name }) }
}

@Suite("models of images")
struct VisionTests {
    @Test("answers as float64 references", arguments: VisionReference.all, InferenceDevice.all)
    func answers(_ reference: VisionReference, _ device: InferenceDevice) throws {
        let expected = try reference.expected()
        let pass = try VisionPass(
            reference.package(), on: device.make(), options: EngineOptions(precision: .highest))
        let input = try #require(expected[pass.description.inputName])
        let values = try WeightLoader(expected).floats(input)
        let extents = input.shape.extents
        let results = try pass.run(
            values, imageCount: extents[0], channels: extents[1],
            size: Extent2D(height: extents[2], width: extents[3]))
        var compared = 0
        for result in results {
            guard let answer = expected[result.name] else { continue }
            #expect(result.shape == answer.shape.extents)
            let error = normalizedMeanSquaredError(
                result.values, try WeightLoader(expected).floats(answer).map(Double.init))
            #expect(error <= 1e-9, "\(result.name)")
            compared += 1
        }
        #expect(compared == expected.tensors.count - 1)
    }

    @Test("an image has the same answer alone and among others, and in a pass of another size")
    func isIndependent() throws {
        let reference = try VisionReference.named("resnet-basic")
        let device = try #require(InferenceDevice.all.first)
        let pass = try VisionPass(reference.package(), on: device.make(), options: EngineOptions(precision: .highest))
        var random = SplitMix64(name: "images")
        let size = Extent2D(height: 20, width: 31)
        let images = (0..<3).map { _ in random.floats(3 * size.pixelCount) }
        func logits(_ images: [[Float]]) throws -> [Float] {
            try pass.run(images.flatMap { $0 }, imageCount: images.count, channels: 3, size: size)[0].values
        }
        let together = try logits(images)
        for (index, image) in images.enumerated() {
            let alone = try logits([image])
            let error = normalizedMeanSquaredError(
                together[3 * index..<3 * index + 3], alone.map(Double.init))
            #expect(error <= 1e-11)
        }
    }

    @Test("images of other sizes and channels are refused")
    func refuses() throws {
        let device = try #require(InferenceDevice.all.first)
        let vit = try VisionPass(VisionReference.named("vit").package(), on: device.make())
        #expect(throws: InferenceError.self) {
            try vit.run([Float](repeating: 0, count: 16 * 16), imageCount: 1, channels: 1, size: Extent2D(16))
        }
        #expect(throws: InferenceError.self) {
            try vit.run(
                [Float](repeating: 0, count: 3 * 17 * 16), imageCount: 1, channels: 3,
                size: Extent2D(height: 17, width: 16))
        }
        // So small that a stage has no pixels left for its window.
        let lenet = try VisionPass(VisionReference.named("lenet").package(), on: device.make())
        #expect(throws: InferenceError.self) {
            try lenet.run([Float](repeating: 0, count: 3), imageCount: 1, channels: 3, size: Extent2D(1))
        }
    }

    @Test("blocks that config.json does not name are refused", arguments: ["resnet-basic", "timm-resnet26d"])
    func namesTheBlockTooMany(name: String) throws {
        let source = try VisionReference.named(name)
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID())")
        try FileManager.default.copyItem(at: source.folder, to: folder)
        defer { try? FileManager.default.removeItem(at: folder) }
        let configuration = folder.appendingPathComponent("config.json")
        let text = try String(contentsOf: configuration, encoding: .utf8)
        let shallower = text.replacing("resnet26d", with: "resnet14t").replacing(/"depths": \[[^\]]*\]/) { _ in
            "\"depths\": [1, 1]"
        }
        #expect(shallower != text)
        try shallower.write(to: configuration, atomically: true, encoding: .utf8)
        let device = try #require(InferenceDevice.all.first)
        let package = try ModelPackage(path: folder.path)
        // A network is built for the images that come.
        let pass = try VisionPass(package, on: device.make())
        let error = #expect(throws: LoadError.self) {
            try pass.run([Float](repeating: 0, count: 3 * 64 * 64), imageCount: 1, channels: 3, size: Extent2D(64))
        }
        #expect(error.map { "\($0)" }?.contains("asks for blocks of [1, 1") ?? false)
    }

    @Test("timm's folders name the channels in model_args, else in pretrained_cfg")
    func channels() throws {
        let architectures = ["convnext_atto", "vit_tiny_patch16_224", "mobilenetv2_050", "vgg11", "inception_v3"]
        for architecture in architectures {
            for (keys, expected) in [
                ("\"model_args\": {\"in_chans\": 1}, \"pretrained_cfg\": {\"input_size\": [4, 64, 64]}", 1),
                ("\"pretrained_cfg\": {\"input_size\": [4, 64, 64]}", 4), ("\"num_classes\": 7", 3),
            ] {
                let text = "{\"architecture\": \"\(architecture)\", \(keys)}"
                let file = try ModelConfiguration(parsing: Array(text.utf8), path: "config.json")
                let found = try ModelRegistry.visionPlan(file).description.channelCount
                #expect(found == expected, "\(architecture) \(keys)")
            }
        }
    }

    @Test(
        "a file without what its configuration asks for is refused by name",
        arguments: [
            ("convnextv2", "convnextv2.encoder.stages.0.layers.0.grn.weight"),
            ("dinov2", "dinov2.encoder.layer.1.layer_scale2.lambda1"),
            ("dinov2", "dinov2.embeddings.position_embeddings"), ("tv-vit", "encoder.pos_embedding"),
            ("tv-vit", "encoder.layers.encoder_layer_0.self_attention.in_proj_weight"),
            ("efficientnet", "efficientnet.encoder.blocks.0.squeeze_excite.reduce.weight"),
            ("tv-efficientnet-b0", "features.8.0.weight"),
            // Layers whose bias is missing would still compute something.
            ("dinov2", "dinov2.encoder.layer.0.attention.attention.key.bias"),
            ("dinov2", "dinov2.encoder.layer.1.mlp.fc2.bias"), ("vit", "vit.encoder.layer.0.output.dense.bias"),
            ("tv-vit", "encoder.layers.encoder_layer_1.self_attention.in_proj_bias"),
            ("siglip-classifier", "vision_model.encoder.layers.1.mlp.fc1.bias"),
            ("siglip-features", "vision_model.head.mlp.fc1.bias"),
            ("convnextv2", "convnextv2.encoder.stages.0.layers.0.pwconv2.bias"),
            ("efficientnet", "classifier.bias"),
        ])
    func namesWhatIsMissing(name: String, tensor: String) throws {
        let source = try VisionReference.named(name)
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID())")
        try FileManager.default.copyItem(at: source.folder, to: folder)
        defer { try? FileManager.default.removeItem(at: folder) }
        // The same file with another name for that tensor, as long as the right one.
        let file = folder.appendingPathComponent("model.safetensors")
        var bytes = try Data(contentsOf: file)
        let place = try #require(bytes.range(of: Data("\"\(tensor)\"".utf8)))
        bytes.replaceSubrange(
            place, with: Data("\"\(String(repeating: "x", count: tensor.utf8.count))\"".utf8))
        try bytes.write(to: file)
        let device = try #require(InferenceDevice.all.first)
        let pass = try VisionPass(ModelPackage(path: folder.path), on: device.make())
        let size = pass.description.usualSize
        let values = [Float](repeating: 0, count: 3 * size.pixelCount)
        let error = #expect(throws: LoadError.self) {
            try pass.run(values, imageCount: 1, channels: 3, size: size)
        }
        let end = tensor.split(separator: ".").suffix(3).joined(separator: ".")
        #expect(error.map { "\($0)" }?.contains(end) ?? false, "\(String(describing: error))")
    }

    @Test("timm's models as transformers writes them")
    func readsWrappers() throws {
        for (name, labels) in [("TimmWrapperForImageClassification", ["a", "b"]), ("TimmWrapperModel", [])] {
            let text = """
                {"model_type": "timm_wrapper", "architecture": "resnet18", "architectures": ["\(name)"],
                 "num_classes": 2, "label_names": ["a", "b"], "model_args": null}
                """
            let file = try ModelConfiguration(parsing: Array(text.utf8), path: "config.json")
            let description = try ModelRegistry.visionPlan(file).description
            #expect(description.labels == labels)
            #expect(description.task == (labels.isEmpty ? .features : .classification))
        }
    }

    @Test("commands say what fits a model of another task")
    func namesTheFittingCommand() throws {
        let device = try #require(InferenceDevice.all.first)
        func message(_ body: () throws -> Void) -> String {
            do {
                try body()
                return ""
            } catch { return "\(error)" }
        }
        let generator = try VisionReference.named("dcgan").package()
        let classifier = try VisionReference.named("vit").package()
        #expect(message { _ = try ImageClassifier(generator, on: device.make()) }.contains("infer imagine"))
        #expect(message { _ = try ImageGenerator(classifier, on: device.make()) }.contains("infer classify --image"))
        #expect(message { _ = try Classifier(classifier, on: device.make()) }.contains("infer classify --image"))
        #expect(message { try classifier.requireDecoder() }.contains("infer classify --image"))
    }

    @Test("labels of an image, best first; several sizes at once")
    func classifies() throws {
        let device = try #require(InferenceDevice.all.first)
        let task = try ImageClassifier(VisionReference.named("resnet-basic").package(), on: device.make())
        let images = [(30, 20), (64, 64), (30, 20)].map { width, height in
            PixelImage(
                width: width, height: height, channelCount: 3,
                bytes: (0..<width * height * 3).map { UInt8($0 * 7 % 251) })
        }
        let answers = try task.run(images)
        #expect(answers.count == 3)
        #expect(answers[0] == answers[2])
        for scores in answers {
            #expect(scores.count == 3)
            #expect(abs(scores.reduce(0) { $0 + $1.score } - 1) < 1e-6)
            #expect(scores.map(\.score) == scores.map(\.score).sorted(by: >))
        }
    }

    @Test("the images of a seed are the same, however many are made")
    func imagines() throws {
        let device = try #require(InferenceDevice.all.first)
        let generator = try ImageGenerator(VisionReference.named("dcgan").package(), on: device.make())
        let some = try generator.images(of: generator.latents(seed: 7, count: 2))
        let more = try generator.images(of: generator.latents(seed: 7, count: 5))
        let others = try generator.images(of: generator.latents(seed: 8, count: 2))
        #expect(some[0].width == 16 && some[0].channelCount == 1)
        // Products of other numbers of rows may round otherwise.
        for (a, b) in zip(some, more) { #expect(zip(a.bytes, b.bytes).allSatisfy { abs(Int($0) - Int($1)) <= 1 }) }
        #expect(others[0] != some[0])
        let grid = PixelImage(grid: more, columns: 3)
        #expect(grid.width == 3 * 18 - 2 && grid.height == 2 * 18 - 2)
    }
}
