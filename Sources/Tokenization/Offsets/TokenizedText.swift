/// A text, or a pair of them, as tokens that know where they came from. Element `i` of each array belongs to token `i`.
public struct TokenizedText: Sendable, Equatable {
    public var ids: [Int] = []
    /// BERT's segment ids.
    public var typeIDs: [Int] = []
    /// The Unicode scalars of its text that the token stands for; `0..<0` for special tokens that framing added.
    public var offsets: [Range<Int>] = []
    /// Which word of its text, as the pre-tokenizer cuts it, the token belongs to.
    public var wordIDs: [Int?] = []
    /// 0 for tokens of the first text, 1 for the second's, `nil` for special tokens that framing added.
    public var sequenceIDs: [Int?] = []

    public init() {}

    public var count: Int { ids.count }

    /// Whether framing added the token.
    public func isSpecial(_ index: Int) -> Bool { sequenceIDs[index] == nil }

    mutating func append(_ other: TokenizedText, _ range: Range<Int>, typeID: Int, sequenceID: Int) {
        ids += other.ids[range]
        offsets += other.offsets[range]
        wordIDs += other.wordIDs[range]
        typeIDs += repeatElement(typeID, count: range.count)
        sequenceIDs += repeatElement(Int?.some(sequenceID), count: range.count)
    }

    mutating func append(special: [Int], typeID: Int) {
        ids += special
        offsets += repeatElement(0..<0, count: special.count)
        wordIDs += repeatElement(Int?.none, count: special.count)
        typeIDs += repeatElement(typeID, count: special.count)
        sequenceIDs += repeatElement(Int?.none, count: special.count)
    }
}

extension PostProcessor {
    /// Special tokens that framing adds.
    func addedTokenCount(isPair: Bool) -> Int {
        guard case .template(let single, let pair) = self else { return 0 }
        return (isPair ? pair : single).reduce(0) { count, part in
            guard case .special(let ids, _) = part else { return count }
            return count + ids.count
        }
    }

    /// Frames tokens as ``apply(first:second:addsSpecialTokens:)`` does.
    func frame(
        _ first: (TokenizedText, Range<Int>), _ second: (TokenizedText, Range<Int>)?, addsSpecialTokens: Bool
    ) -> TokenizedText {
        var result = TokenizedText()
        func append(_ text: (TokenizedText, Range<Int>)?, _ typeID: Int, _ sequenceID: Int) {
            guard let text else { return }
            result.append(text.0, text.1, typeID: typeID, sequenceID: sequenceID)
        }
        switch self {
        case .none:
            append(first, 0, 0)
            append(second, 1, 1)
        case .template(let single, let pair):
            for part in second == nil ? single : pair {
                switch part {
                case .first(let typeID): append(first, typeID, 0)
                case .second(let typeID): append(second, typeID, 1)
                case .special(let ids, let typeID): if addsSpecialTokens { result.append(special: ids, typeID: typeID) }
                }
            }
        }
        return result
    }
}
