internal import Models
public import TensorCore

/// Writes the most likely texts of an encoder-decoder after a source that is given as tokens, by beam search.
/// `Translator` does so for texts.
public struct TargetBeamGenerator: Sendable {
    private let search: TargetSearch
    private let source: [Int]

    /// Loads a model for one source. Blocks.
    /// - Parameters:
    ///   - source: what the encoder reads, as it is.
    ///   - search: what is left out is as the model's `generation_config.json` says.
    /// - Throws: `InferenceError`, `LoadError`, `BackendError`.
    public init(
        _ package: ModelPackage, on backend: any Backend, source: [Int], search: SearchOptions,
        ignoresEndOfSequence: Bool = false, options: EngineOptions = EngineOptions()
    ) throws {
        let description = try package.describeEncoderDecoder()
        guard !source.isEmpty else { throw InferenceError.emptyPrompt }
        if let id = source.first(where: { !(0..<description.vocabularySize).contains($0) }) {
            throw InferenceError.tokenOutOfRange(id: id, vocabularySize: description.vocabularySize)
        }
        var context = options.contextLength ?? description.target.maxContextLength
        if let maximum = description.maxTokenCount { context = min(context, maximum) }
        guard source.count <= context else {
            throw InferenceError.contextLengthExceeded(promptTokenCount: source.count, contextLength: context)
        }
        self.source = source
        self.search = try TargetSearch(
            package, on: backend, search: search, ignoresEndOfSequence: ignoresEndOfSequence,
            sourceTokenCount: source.count, textCount: 1, options: options)
    }

    /// The texts, best first. Blocks.
    /// - Throws: `InferenceError.nonFiniteLogits`, `BackendError`.
    public func run() throws -> [BeamContinuation] {
        try search.run([source]).first.map { found in
            found.map {
                let tokens = search.ownTokens(of: $0)
                return BeamContinuation(
                    tokens: tokens, score: $0.score, isComplete: tokens.count < $0.tokens.count - 1)
            }
        } ?? []
    }
}
