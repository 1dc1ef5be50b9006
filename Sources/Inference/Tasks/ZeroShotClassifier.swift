public import Images
internal import Models
public import TensorCore

/// Puts any labels on images, by how close each label's text is to the image. (CLIP; Radford et al., 2021) SigLIP judges each
/// label by itself, so that scores need not add up to 1. (Zhai et al., 2023)
public struct ZeroShotClassifier: Sendable {
    public let labels: [String]
    private let pass: VisionPass
    private let preprocessor: ImagePreprocessor
    /// A vector of length 1 for each label.
    private let texts: [[Float]]
    private let scale: Double
    private let bias: Double?

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
        let encoder = try CLIPTextEncoder(package, on: backend, for: "classify --labels", options: options)
        let sentences = labels.map { label in
            template.split(separator: "{}", omittingEmptySubsequences: false).joined(separator: label)
        }
        texts = try encoder.embed(sentences).map(UnitVector.of)
        (scale, bias) = (encoder.scale, encoder.bias)
        self.labels = labels
        pass = try VisionPass(package, on: backend, options: options)
        preprocessor = try package.imagePreprocessor(pass.description)
    }

    /// All labels of each image, best first. Blocks.
    /// - Throws: `InferenceError`, `BackendError`.
    public func run(_ images: [PixelImage]) throws -> [[LabelScore]] {
        try pass.run(images, preparedBy: preprocessor).map { results in
            let image = UnitVector.of(results.first { $0.name == "image_embeds" }?.values ?? [])
            let logits = texts.map { text in
                let closeness = zip(text, image).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
                return Float(scale * closeness + (bias ?? 0))
            }
            let scores = bias == nil ? Probabilities.softmax(logits) : logits.map { Probabilities.sigmoid($0) }
            return scores.greatestIndices(scores.count).map { LabelScore(label: labels[$0], score: scores[$0]) }
        }
    }
}
