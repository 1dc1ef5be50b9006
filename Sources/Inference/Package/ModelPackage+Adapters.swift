public import ModelIO

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
