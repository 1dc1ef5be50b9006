/// What turns words into ids.
public enum TokenizationModel: Sendable {
    case bpe(BPEModel)
    case wordPiece(WordPieceModel)
    case unigram(UnigramModel)
    case wordLevel(WordLevelModel)

    /// The model's tokens.
    public var vocabulary: Vocabulary {
        switch self {
        case .bpe(let model): model.vocabulary
        case .wordPiece(let model): model.vocabulary
        case .unigram(let model): model.vocabulary
        case .wordLevel(let model): model.vocabulary
        }
    }

    /// Appends the ids of each word of the text.
    func encode(
        _ text: ByteBuffer, words: [Range<Int>], cache: inout WordCache, into ids: inout [UInt32]
    ) throws {
        switch self {
        case .bpe(let model): try model.encode(text, words: words, cache: &cache, into: &ids)
        case .wordPiece(let model):
            for word in words { try model.encode(ByteBuffer(rebasing: text[word]), into: &ids) }
        case .unigram(let model):
            for word in words { try model.encode(ByteBuffer(rebasing: text[word]), into: &ids) }
        case .wordLevel(let model):
            for word in words { try model.encode(ByteBuffer(rebasing: text[word]), into: &ids) }
        }
    }
}
