internal import Models
public import TensorCore
internal import Tokenization

/// A token for a masked place.
public struct MaskCandidate: Sendable, Hashable {
    /// The token's probability among all tokens of the vocabulary.
    public var score: Double
    public var token: Int
    /// The token by itself.
    public var text: String
    /// The whole text with the token in its place.
    public var sequence: String
}

/// Fills masked places of texts with tokens, as BERT was trained to (masked language models).
public struct FillMask: TextTask {
    private let encoder: TextEncoder
    private let maskID: Int
    private let candidateCount: Int
    private let targets: [Int]?

    /// Loads a model. Blocks.
    /// - Parameters:
    ///   - candidateCount: tokens given for each mask.
    ///   - targets: the only words to choose from; one that is no token stands for its first token.
    /// - Throws: `InferenceError`, also for a tokenizer without a mask token; `LoadError`, `BackendError`.
    public init(
        _ package: ModelPackage, on backend: any Backend, candidateCount: Int = 5, targets: [String]? = nil,
        options: TaskOptions = TaskOptions()
    ) throws {
        encoder = try TextEncoder(
            package, on: backend, tasks: [.maskedLanguageModel], command: "fill-mask", options: options)
        guard let maskID = encoder.tokenizer.id(for: .mask) else {
            throw InferenceError.noMaskToken(path: package.name)
        }
        self.maskID = maskID
        self.candidateCount = candidateCount
        let tokenizer = encoder.tokenizer
        self.targets = try targets.map { words in
            var ids: [Int] = []
            for word in words {
                let id = try tokenizer.id(for: word) ?? tokenizer.encode(word, addSpecialTokens: false).first
                if let id, !ids.contains(id) { ids.append(id) }
            }
            guard !ids.isEmpty else {
                throw InferenceError.invalidParameter(
                    name: "--targets", value: words.joined(separator: ","),
                    expected: "words that the vocabulary can spell")
            }
            return ids
        }
    }

    /// The candidates for each mask of each text, best first.
    /// - Throws: `InferenceError.noMask` for a text without one.
    public func run(_ texts: [String]) throws -> [[[MaskCandidate]]] {
        let inputs = try texts.map { text in
            let input = try encoder.input(for: TextPair(text))
            guard input.tokens.contains(maskID) else {
                let mask = encoder.tokenizer.configuration.token(for: .mask) ?? ""
                throw InferenceError.noMask(start: String(text.prefix(40)), mask: mask)
            }
            return input
        }
        var results = [[[MaskCandidate]]](repeating: [], count: texts.count)
        try encoder.run(inputs) { index, outputs in
            let tokens = inputs[index].tokens
            let places = tokens.indices.filter { tokens[$0] == maskID }
            results[index] = try places.map { place in
                try candidates(at: place, of: tokens, outputs.first[place], isOnlyMask: places.count == 1)
            }
        }
        return results
    }

    private func candidates(
        at place: Int, of tokens: [Int], _ logits: ArraySlice<Float>, isOnlyMask: Bool
    ) throws -> [MaskCandidate] {
        let scores = Probabilities.softmax(logits)
        let chosen =
            targets.map { ids in ids.map { scores[$0] }.greatestIndices(candidateCount).map { ids[$0] } }
            ?? scores.greatestIndices(candidateCount)
        let paddingID = encoder.tokenizer.id(for: .padding)
        return try chosen.map { token in
            var filled = tokens
            filled[place] = token
            filled.removeAll { $0 == paddingID }
            // Special tokens are left out unless other masks would go with them.
            return MaskCandidate(
                score: scores[token], token: token,
                text: try encoder.tokenizer.decode([token], skipSpecialTokens: false),
                sequence: try encoder.tokenizer.decode(filled, skipSpecialTokens: isOnlyMask))
        }
    }
}
