internal import Models

extension Embedder {
    /// What a collection keeps of a model's embeddings: one vector a text, unless the model gives only weights of terms or
    /// vectors of tokens.
    /// - Parameter extra: what is wanted beside.
    /// - Throws: `LoadError` for a broken file.
    public static func outputs(
        of package: ModelPackage, adding extra: Set<EmbeddingKind>
    ) throws -> Set<EmbeddingKind> {
        let configuration = try SentenceConfiguration(folder: package.folder)
        if LateInteraction.describes(package, configuration) { return [.colbert] }
        guard package.kind == .encoder, try package.describeEncoder().task == .maskedLanguageModel else {
            return extra.union([.dense])
        }
        let isSplade = extra == [.sparse] || configuration.splade != nil
        return isSplade ? [.sparse] : extra.union([.dense])
    }

    /// What each embedding has.
    public var outputs: Set<EmbeddingKind> { choices.outputs }
}
