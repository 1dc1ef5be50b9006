public import ModelIO

/// An adapter under the name that requests call it by.
public struct NamedAdapter: Sendable {
    public let name: String
    public let adapter: LoRAAdapter
    /// What the adapter's own scale is multiplied by.
    public let scale: Double

    public init(name: String, adapter: LoRAAdapter, scale: Double = 1) {
        self.name = name
        self.adapter = adapter
        self.scale = scale
    }
}

extension ModelPackage {
    /// The same model with an adapter merged into its weights. Reads what the adapter changes; the rest stays mapped.
    /// - Throws: `LoadError`, also where the adapter belongs to another model, or the model is a GGUF file, whose matrices
    ///   are stored in another order.
    public func merging(_ adapter: LoRAAdapter, scale: Double = 1) throws -> ModelPackage {
        guard !ModelLocation.isGGUF(checkpoint.path) else {
            throw LoadError.unsupportedFile(
                path: adapter.path, reason: "cannot be merged into a GGUF file; give the model as a Hugging Face folder"
            )
        }
        return ModelPackage(
            name: name, configuration: configuration, checkpoint: try adapter.merged(into: checkpoint, scale: scale),
            generation: generation, tokenizer: tokenizer)
    }
}
