/// Which tokens of a text are computed together, and which of them count: the two methods of llama.cpp's
/// `llama-perplexity`.
///
/// Legend: `C` tokens of a window.
public struct PerplexityPlan: Sendable, Hashable {
    /// `C`.
    public let windowTokenCount: Int
    /// Tokens from one window's start to the next one's.
    public let step: Int
    /// The places in a window whose tokens are predicted and count.
    public let scored: Range<Int>
    /// Whether each window starts with the beginning-of-sequence token, in place of its own first one.
    public let replacesFirstToken: Bool

    /// Windows that follow each other, of which the second half counts, so that every token that counts has at least
    /// half a window before it.
    public init(contextLength: Int) {
        windowTokenCount = contextLength
        step = contextLength
        scored = contextLength / 2 + 1..<max(contextLength, contextLength / 2 + 1)
        replacesFirstToken = true
    }

    /// Windows of `contextLength + stride / 2` tokens, each `stride` behind the one before, of which the last `stride`
    /// count.
    public init(contextLength: Int, stride: Int) {
        windowTokenCount = contextLength + stride / 2
        step = stride
        scored = max(windowTokenCount - stride, 1)..<windowTokenCount
        replacesFirstToken = false
    }

    /// How many windows a text has.
    /// - Throws: `PerplexityError.textTooShort` for fewer than two windows' tokens.
    public func windowCount(tokenCount: Int) throws -> Int {
        guard tokenCount >= 2 * windowTokenCount else {
            throw PerplexityError.textTooShort(tokenCount: tokenCount, needed: 2 * windowTokenCount)
        }
        return replacesFirstToken ? tokenCount / step : (tokenCount - windowTokenCount + step - 1) / step
    }
}

/// Why a perplexity cannot be measured.
public enum PerplexityError: Error, Sendable, Equatable, CustomStringConvertible {
    case textTooShort(tokenCount: Int, needed: Int)
    case nonFiniteLogits(position: Int)
    /// A file of probabilities that were made for other windows or another vocabulary.
    case otherBase(vocabularySize: Int, contextLength: Int, expected: Int, Int)

    public var description: String {
        switch self {
        case .textTooShort(let count, let needed):
            "the text has \(count) tokens, but \(needed) are needed, two contexts; give a longer text or lower --ctx"
        case .nonFiniteLogits(let position):
            "the model's logits are not finite at token \(position) of the text; its weights are damaged or overflow "
                + "the number format"
        case .otherBase(let size, let context, let expectedSize, let expectedContext):
            "--kl-divergence-base is of \(size) tokens of the vocabulary and contexts of \(context), but the model has "
                + "\(expectedSize) and --ctx is \(expectedContext); write it again with a model of the same vocabulary"
        }
    }
}
