public import Images
internal import ModelIO
internal import Models
public import TensorCore
internal import Tokenization

/// Puts any labels on images, by how close each label's text is to the image. (CLIP; Radford et al., 2021)
public struct ZeroShotClassifier: Sendable {
    public let labels: [String]
    private let pass: VisionPass
    private let preprocessor: ImagePreprocessor
    /// A vector of length 1 for each label.
    private let texts: [[Float]]
    private let scale: Double

    /// What `transformers` writes around a label.
    public static let template = "This is a photo of {}."

    /// Loads a model and embeds the labels. Blocks.
    /// - Parameters:
    ///   - labels: at least one.
    ///   - template: a text in which `{}` stands for the label.
    /// - Throws: `InferenceError.wrongTask` for a model that compares no images with texts; `.textTooLong`;
    ///   `LoadError`, `TokenizationError`, `BackendError`.
    public init(
        _ package: ModelPackage, on backend: any Backend, labels: [String], template: String = Self.template,
        options: EngineOptions = EngineOptions()
    ) throws {
        try package.requireVision(.features, for: "classify --labels")
        guard package.configuration.modelType == "clip" else {
            throw InferenceError.wrongTask(
                path: package.name,
                architecture: package.configuration.architectures.first ?? package.configuration.modelType,
                does: "knows no texts", command: "classify --labels", fitting: "forward")
        }
        guard let tokenizer = package.tokenizer else { throw InferenceError.tokenizerMissing(path: package.name) }
        let tower = try CLIPTextTower(
            package.configuration, package.checkpoint,
            to: LoadTarget(
                backend: backend, limits: PassLimits(tokenCount: 1, logitRowCount: 1, contextLength: 1),
                format: options.weightFormat, precision: options.precision))
        let tokens = try labels.map { label in
            let text = template.split(separator: "{}", omittingEmptySubsequences: false).joined(separator: label)
            let tokens = try tokenizer.encode(text, addSpecialTokens: true)
            guard !tokens.isEmpty else { throw InferenceError.emptyText }
            guard tokens.count <= tower.maxTokenCount else {
                throw InferenceError.textTooLong(
                    start: String(text.prefix(40)), tokenCount: tokens.count, maximum: tower.maxTokenCount)
            }
            if let id = tokens.first(where: { !(0..<tower.vocabularySize).contains($0) }) {
                throw InferenceError.tokenOutOfRange(id: id, vocabularySize: tower.vocabularySize)
            }
            return tokens
        }
        texts = try tower.embed(tokens, read: backend.readFloats).map(ZeroShotClassifier.normalized)
        scale = tower.scale
        self.labels = labels
        pass = try VisionPass(package, on: backend, options: options)
        preprocessor = try package.imagePreprocessor(pass.description)
    }

    /// All labels of each image, best first. Blocks.
    /// - Throws: `InferenceError`, `BackendError`.
    public func run(_ images: [PixelImage]) throws -> [[LabelScore]] {
        try images.map { image in
            let pixels = preprocessor.pixels(of: image)
            let results = try pass.run(
                preprocessor.values(of: pixels), imageCount: 1, channels: preprocessor.channelCount,
                size: Extent2D(height: pixels.height, width: pixels.width))
            let embeds = ZeroShotClassifier.normalized(results.first { $0.name == "image_embeds" }?.values ?? [])
            let logits = texts.map { text in
                Float(scale * zip(text, embeds).reduce(0.0) { $0 + Double($1.0) * Double($1.1) })
            }
            let scores = Probabilities.softmax(logits)
            return scores.greatestIndices(scores.count).map { LabelScore(label: labels[$0], score: scores[$0]) }
        }
    }

    private static func normalized(_ values: [Float]) -> [Float] {
        let length = values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        return length > 0 ? values.map { Float(Double($0) / length) } : values
    }
}
