internal import Tokenization

/// A text for an embedder, or its tokens, with the special ones around them or without.
public enum EmbedderInput: Sendable, Hashable {
    case text(String)
    case tokens([Int])
}

/// An embedder of texts and of tokens, as clients have them that cut texts into tokens themselves. Tokens are read as they
/// are, special tokens that are missing around them are added, and those over the limit are left out as those of texts.
public struct TokenEmbedder: TextTask {
    public let embedder: Embedder

    public init(_ embedder: Embedder) { self.embedder = embedder }

    /// - Precondition: tokens are below the tokenizer's vocabulary size.
    public func run(_ inputs: [EmbedderInput]) throws -> [Embedding] { try embedder.embeddings(of: inputs) }
}

extension Embedder {
    /// The embeddings of texts and of tokens, in their order.
    func embeddings(of inputs: [EmbedderInput]) throws -> [Embedding] {
        let tokenizer = encoder.tokenizer
        // Models of late interaction frame queries and documents in ways of their own.
        guard lateInteraction == nil else {
            return try run(
                inputs.map { input in
                    switch input {
                    case .text(let text): return text
                    case .tokens(let tokens): return try tokenizer.decode(tokens)
                    }
                })
        }
        let (start, end) = try tokenizer.frame()
        let promptTokens = try prompt.isEmpty ? [] : tokenizer.encode(prompt, addSpecialTokens: false)
        let room = encoder.maximumLength - start.count - end.count
        guard room >= 0 else {
            throw InferenceError.limitTooSmall(
                specialTokenCount: start.count + end.count, maximum: encoder.maximumLength)
        }
        return try embeddings(
            of: inputs.map { input in
                switch input {
                case .text(let text): return try encoder.input(for: TextPair(prepared(text)))
                case .tokens(var tokens):
                    if tokens.starts(with: start) { tokens.removeFirst(start.count) }
                    if tokens.suffix(end.count) == end[...] { tokens.removeLast(end.count) }
                    let count = start.count + promptTokens.count + tokens.count + end.count
                    guard encoder.truncates || count <= encoder.maximumLength else {
                        throw encoder.tooLong(try tokenizer.decode(Array(tokens.prefix(40))), count)
                    }
                    let framed = start + (promptTokens + tokens).prefix(room) + end
                    guard !framed.isEmpty else { throw InferenceError.emptyText }
                    return encoder.input(framed, typeIDs: [Int](repeating: 0, count: framed.count))
                }
            })
    }
}

extension Tokenizer {
    /// The special tokens before and behind a text.
    func frame() throws -> (start: [Int], end: [Int]) {
        guard let tokens = try encodeWithOffsets("a").first else { return ([], []) }
        let (first, last) = (tokens.sequenceIDs.firstIndex { $0 != nil }, tokens.sequenceIDs.lastIndex { $0 != nil })
        guard let first, let last else { return ([], []) }
        return (Array(tokens.ids[..<first]), Array(tokens.ids[(last + 1)...]))
    }
}
