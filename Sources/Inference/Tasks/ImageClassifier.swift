public import Images
internal import JSONCore
internal import ModelIO
internal import Models
public import TensorCore

/// Puts labels on images.
public struct ImageClassifier: Sendable {
    public let labels: [String]
    public let activation: Classifier.Activation
    public let preprocessor: ImagePreprocessor
    private let pass: VisionPass

    /// Loads a model. Blocks.
    /// - Parameter activation: `nil`: as the configuration's `problem_type` says.
    /// - Throws: `InferenceError.wrongTask` for a model of another task; `LoadError`, `ImageError`.
    public init(
        _ package: ModelPackage, on backend: any Backend, activation: Classifier.Activation? = nil,
        options: EngineOptions = EngineOptions()
    ) throws {
        try package.requireVision(.classification, for: "classify --image")
        pass = try VisionPass(package, on: backend, options: options)
        labels = pass.description.labels
        preprocessor = try package.imagePreprocessor(pass.description)
        self.activation =
            try activation ?? Classifier.activation(package.configuration, labels.count)
    }

    /// All labels of each image, best first. Blocks.
    /// - Throws: `InferenceError`, `BackendError`.
    public func run(_ images: [PixelImage]) throws -> [[LabelScore]] {
        try pass.run(images, preparedBy: preprocessor).map { results in
            scores((results.first { $0.name == "logits" }?.values ?? [])[...])
        }
    }

    private func scores(_ logits: ArraySlice<Float>) -> [LabelScore] {
        let scores =
            switch activation {
            case .softmax: Probabilities.softmax(logits)
            case .sigmoid: logits.map { Probabilities.sigmoid($0) }
            case .none: logits.map(Double.init)
            }
        return scores.greatestIndices(scores.count).map { LabelScore(label: labels[$0], score: scores[$0]) }
    }
}

extension ModelPackage {
    /// The longest configuration of preprocessing that is read.
    private static let maximumConfigurationByteCount = 1_000_000

    /// How images are prepared for the model: as `preprocessor_config.json` or `processor_config.json` says, for folders of
    /// timm as `pretrained_cfg`; without them images are resized to what the model takes, with values from 0 to 1 that
    /// for three colours are normalised as those of ImageNet are.
    /// - Throws: `LoadError`, `ImageError`, `JSONError`.
    func imagePreprocessor(_ description: VisionDescription) throws -> ImagePreprocessor {
        for name in ["preprocessor_config.json", "processor_config.json"] {
            guard bundledConfiguration == nil, let folder, WholeFile.names(in: folder).contains(name) else { continue }
            let path = folder + "/" + name
            let bytes = try WholeFile.read(path, maximum: Self.maximumConfigurationByteCount)
            return try ImagePreprocessor(parsing: bytes, path: path, channelCount: description.channelCount)
        }
        if let bytes = try configurationBytes() {
            let root = try JSONDocument(
                parsing: bytes, source: configuration.path, options: .init(allowsNonFiniteNumbers: true)
            ).root
            // Before version 0.9 timm wrote these keys beside the architecture.
            let timm = root["pretrained_cfg"] ?? (root["architecture"] != nil && root["input_size"] != nil ? root : nil)
            if let pretrained = timm, pretrained.kind == .object {
                return try ImagePreprocessor(timm: pretrained, path: configuration.path)
            }
        }
        let size = description.usualSize
        let isColoured = description.channelCount == 3
        return ImagePreprocessor(
            resize: .exactly(width: size.width, height: size.height), filter: .bilinear,
            mean: description.pixelMean ?? (isColoured ? [0.485, 0.456, 0.406] : nil),
            deviation: description.pixelDeviation ?? (isColoured ? [0.229, 0.224, 0.225] : nil),
            channelCount: description.channelCount)
    }

    /// What the configuration's file holds; `nil` for models that lie in a single file.
    private func configurationBytes() throws -> [UInt8]? {
        if let bundledConfiguration { return bundledConfiguration }
        guard folder != nil else { return nil }
        return try WholeFile.read(configuration.path, maximum: Self.maximumConfigurationByteCount)
    }

    /// - Throws: `InferenceError.wrongTask` where the model does not do `task`.
    func requireVision(_ task: VisionTask, for command: String) throws {
        guard kind == .vision, try visionPlan().description.task == task else { throw try wrongTask(for: command) }
    }
}
