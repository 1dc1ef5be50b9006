internal import BundledModel
import KVCache
public import ModelIO
public import Models
public import TensorCore
public import Tokenization

/// The files of one model: configuration, weights (mapped, not yet on a device), tokenizer and recommendations.
public struct ModelPackage: Sendable {
    /// The path, or what the bundled model is called; for errors and listings.
    public let name: String
    public let configuration: ModelConfiguration
    public let checkpoint: Checkpoint
    public let generation: GenerationConfiguration
    /// `nil` where the model comes without `tokenizer.json`.
    public let tokenizer: Tokenizer?

    /// Opens a Hugging Face folder or a `.safetensors` file with its configuration beside it.
    /// - Throws: `LoadError`, `TokenizationError`.
    public init(path: String) throws {
        let location = try ModelLocation(path)
        name = path
        configuration = try ModelConfiguration(location)
        checkpoint = try location.openCheckpoint()
        generation = try GenerationConfiguration(location, configuration: configuration)
        tokenizer = try location.existingFile("tokenizer.json").map { _ in try Tokenizer(folder: location.folder) }
    }
}
