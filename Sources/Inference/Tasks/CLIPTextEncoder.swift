internal import ModelIO
internal import Models
public import TensorCore
internal import Tokenization

/// Vectors of texts that can be compared with those of images. (CLIP; Radford et al., 2021. SigLIP; Zhai et al., 2023)
public struct CLIPTextEncoder: Sendable {
    /// What the products of vectors of length 1 are multiplied by: `e^logit_scale`.
    let scale: Double
    /// What is added behind that where each text is judged by itself.
    let bias: Double?
    private let tower: CLIPTextTower
    private let tokenizer: Tokenizer
    private let read: @Sendable (Tensor) throws -> [Float]

    /// Loads the text tower of a model. Blocks.
    /// - Parameter command: what errors call the caller.
    /// - Throws: `InferenceError.wrongTask` for a model that compares no images with texts, `.tokenizerMissing`;
    ///   `LoadError`.
    public init(
        _ package: ModelPackage, on backend: any Backend, for command: String,
        options: EngineOptions = EngineOptions()
    ) throws {
        try package.requireVision(.features, for: command)
        guard package.isCLIP else {
            throw InferenceError.wrongTask(
                path: package.name,
                architecture: package.configuration.architectures.first ?? package.configuration.modelType,
                does: "knows no texts", command: command, fitting: "embed --image")
        }
        guard let tokenizer = package.tokenizer else { throw InferenceError.tokenizerMissing(path: package.name) }
        self.tokenizer = tokenizer
        tower = try CLIPTextTower(
            package.configuration, package.checkpoint, padding: tokenizer.id(for: .padding),
            to: LoadTarget(
                backend: backend, limits: PassLimits(tokenCount: 1, logitRowCount: 1, contextLength: 1),
                format: options.weightFormat, precision: options.precision))
        (scale, bias) = (tower.scale, tower.bias)
        read = { try backend.readFloats($0) }
    }

    /// The vector of each text, as long as it comes. Blocks.
    /// - Throws: `InferenceError.textTooLong`, `.emptyText`, `.tokenOutOfRange`; `TokenizationError`, `BackendError`.
    public func embed(_ texts: [String]) throws -> [[Float]] {
        let tokens = try texts.map { text in
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
        return try tower.embed(tokens, read: read)
    }
}

extension ModelPackage {
    /// Whether it is a model of images and texts.
    public var isCLIP: Bool { ["clip", "siglip"].contains(configuration.modelType) }
}

/// Vectors of length 1.
public enum UnitVector {
    /// A vector of zeros stays as it is.
    public static func of(_ values: [Float]) -> [Float] {
        let length = values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        return length > 0 ? values.map { Float(Double($0) / length) } : values
    }
}
