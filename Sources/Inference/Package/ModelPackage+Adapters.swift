public import ModelIO
internal import Models

/// An adapter under the name that requests call it by.
public struct NamedAdapter: Sendable {
    /// The name by which requests choose it.
    public let name: String
    /// The adapter's files, mapped.
    public let adapter: LoRAAdapter
    /// A factor for the adapter's own scale.
    public let scale: Double

    public init(name: String, adapter: LoRAAdapter, scale: Double = 1) {
        self.name = name
        self.adapter = adapter
        self.scale = scale
    }
}

extension ModelPackage {
    /// The same model with an adapter merged into its weights. Reads what the adapter changes; the rest stays mapped.
    /// - Throws: `LoadError`, also where the adapter belongs to another model, or adapts quantised matrices.
    public func merging(_ adapter: LoRAAdapter, scale: Double = 1) throws -> ModelPackage {
        ModelPackage(
            name: name, configuration: configuration,
            checkpoint: try arranged(adapter).merged(into: checkpoint, scale: scale), generation: generation,
            tokenizer: tokenizer)
    }

    /// An adapter with its rows in the order of the model's.
    func arranged(_ adapter: LoRAAdapter) throws -> LoRAAdapter {
        let sizes = kind == .decoder ? try describe() : nil
        let isGGUF = ModelLocation.isGGUF(checkpoint.path)
        guard sizes != nil || !isGGUF else {
            throw LoadError.unsupportedFile(
                path: adapter.path,
                reason: "cannot be merged into a GGUF file of this kind; give the model as a Hugging Face folder")
        }
        return try adapter.arranged(
            isGGUF: isGGUF, modelType: configuration.modelType,
            heads: (query: sizes?.headCount ?? 1, keyValue: sizes?.keyValueHeadCount ?? 1))
    }
}
