public import Images
internal import Models
public import TensorCore

/// Makes vectors of images: CLIP's projections, else what the model pools, else its first token.
public struct ImageEmbedder: Sendable {
    private let pass: VisionPass
    private let preprocessor: ImagePreprocessor
    private let normalizes: Bool

    /// Loads a model. Blocks.
    /// - Parameter normalizes: whether CLIP's vectors get length 1, as it compares them; others stay as they are.
    /// - Throws: `InferenceError.wrongTask` for a model of another task; `LoadError`, `ImageError`.
    public init(
        _ package: ModelPackage, on backend: any Backend, normalizes: Bool = true,
        options: EngineOptions = EngineOptions()
    ) throws {
        try package.requireVision(.features, for: "embed --image")
        pass = try VisionPass(package, on: backend, options: options)
        preprocessor = try package.imagePreprocessor(pass.description)
        self.normalizes = normalizes
    }

    /// The vector of each image. Blocks.
    /// - Throws: `InferenceError`, `BackendError`.
    public func run(_ images: [PixelImage]) throws -> [[Float]] {
        try pass.run(images, preparedBy: preprocessor).map { results in
            if let projected = results.first(where: { $0.name == "image_embeds" }) {
                return normalizes ? UnitVector.of(projected.values) : projected.values
            }
            if let pooled = results.first(where: { $0.name == "pooler_output" }) { return pooled.values }
            guard let states = results.first, let width = states.shape.last else { return [] }
            return Array(states.values.prefix(width))
        }
    }
}
