internal import Grammar
internal import ModelIO
internal import Models

/// What the engine adds to requests of an encoder-decoder: their prompt is the text that the encoder reads, and the text
/// that is written begins with a token of its own and follows the rules of `generation_config.json`.
struct TargetWriting: Sendable {
    let startToken: Int
    private let rules: SearchRules
    private let vocabularySize: Int

    /// - Returns: `nil` for a model that continues its prompt.
    /// - Throws: `LoadError`, `InferenceError`.
    init?(_ package: ModelPackage) throws {
        guard package.kind == .encoderDecoder else { return nil }
        let description = try package.describeEncoderDecoder()
        startToken = try package.targetStartToken()
        vocabularySize = description.vocabularySize
        var search = SearchOptions()
        search.beamCount = 1
        rules = try SearchRules(
            search, package.generation, endTokens: package.endOfSequenceTokens, vocabularySize: vocabularySize,
            limit: description.maxTokenCount)
    }

    /// The rules of one text.
    func rules(for request: GenerationRequest, maxTokens: Int) -> TargetRules {
        var own = rules
        own.maximumLength = 1 + maxTokens
        own.forcedFirstToken = request.forcedFirstToken ?? own.forcedFirstToken
        if request.ignoresEndOfSequence { (own.endTokens, own.forcedLastTokens) = ([], []) }
        return TargetRules(
            rules: own, vocabularySize: vocabularySize, source: request.promptTokens, tokens: [startToken])
    }
}

/// The rules of `generation_config.json` for the texts of a decoder, which continue their prompts.
struct ContinuationWriting: Sendable {
    private let rules: SearchRules
    private let vocabularySize: Int

    /// - Returns: `nil` for a model whose files have no such rules, and for one that does not continue its prompt.
    /// - Throws: `LoadError`, `InferenceError`.
    init?(_ package: ModelPackage) throws {
        guard package.kind == .decoder else { return nil }
        var search = SearchOptions()
        search.beamCount = 1
        // What penalises repetitions is the sampler's.
        search.repetitionPenalty = 1
        vocabularySize = try package.generatorPlan().description.vocabularySize
        rules = try SearchRules(
            search, package.generation, endTokens: package.endOfSequenceTokens, vocabularySize: vocabularySize,
            limit: nil)
        guard rules.hasRules else { return nil }
    }

    /// The rules of one text.
    func rules(for request: GenerationRequest, maxTokens: Int) -> TargetRules {
        var own = rules
        own.promptCount = request.promptTokens.count
        own.maximumLength = own.promptCount + maxTokens
        if request.ignoresEndOfSequence { (own.endTokens, own.forcedLastTokens) = ([], []) }
        return TargetRules(
            rules: own, vocabularySize: vocabularySize, source: request.promptTokens,
            tokens: request.promptTokens)
    }
}

/// The tokens that may follow a text, by the rules of the model's files.
struct TargetRules: Sendable {
    private var rules: SearchRules
    private let vocabularySize: Int
    /// What the encoder reads, or a decoder's prompt.
    private let source: [Int]
    private let sourceTokens: Set<Int>
    /// With those that the text begins with.
    private var tokens: [Int]
    /// What the rules do to the next token.
    private(set) var step: StepRules

    fileprivate init(rules: SearchRules, vocabularySize: Int, source: [Int], tokens: [Int]) {
        self.rules = rules
        self.vocabularySize = vocabularySize
        self.source = source
        self.tokens = tokens
        // What penalises repetitions is the sampler's.
        self.rules.repetitionPenalty = 1
        sourceTokens = rules.sourceRepetitionPenalty == 1 ? [] : Set(source)
        step = self.rules.step(after: tokens, source: source, sourceTokens: sourceTokens)
    }

    /// The only tokens that may come next; `nil`: any that are not banned.
    /// - Parameter isConstrained: whether the text has a form of its own, which then says how it ends.
    func forced(isConstrained: Bool) -> TokenMask? {
        guard !isConstrained || tokens.count == rules.promptCount, let forced = rules.forced(after: tokens) else {
            return nil
        }
        var mask = TokenMask(tokenCount: vocabularySize)
        for token in forced where (0..<vocabularySize).contains(token) { mask.insert(Int32(token)) }
        return mask.isEmpty ? nil : mask
    }

    mutating func append(_ token: Int32) {
        tokens.append(Int(token))
        step = rules.step(after: tokens, source: source, sourceTokens: sourceTokens)
    }
}

extension ModelPackage {
    /// The token that target texts of an encoder-decoder begin with.
    /// - Throws: `LoadError`.
    func targetStartToken() throws -> Int {
        let description = try describeEncoderDecoder()
        guard let start = generation.decoderStartTokenID ?? description.startTokenID,
            (0..<description.vocabularySize).contains(start)
        else {
            throw LoadError.missingKey(path: configuration.path, keys: ["decoder_start_token_id"])
        }
        return start
    }
}
