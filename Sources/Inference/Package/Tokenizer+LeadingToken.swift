import Tokenization

extension Tokenizer {
    /// The beginning-of-sequence token where encoding puts it before every text, else `nil`.
    ///
    /// - Parameters:
    ///   - beginning: the token that the model's configuration names.
    ///   - ends: tokens that end a text, and so begin none unless they are named as beginning.
    func leadingToken(beginning: Int?, ends: [Int]) -> Int? {
        guard let frame = try? encode("", addSpecialTokens: true), let first = frame.first else { return nil }
        if let named = id(for: .beginningOfSequence) ?? beginning { return first == named ? first : nil }
        return isSpecial(first) && !ends.contains(first) ? first : nil
    }
}
