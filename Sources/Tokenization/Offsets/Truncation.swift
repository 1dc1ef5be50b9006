/// How a text, or a pair of them, is cut to a number of tokens, as Hugging Face's `tokenizers` does.
public struct Truncation: Sendable, Equatable {
    public enum Strategy: Sendable, Equatable {
        /// The longer text loses tokens until both are as long, then both do.
        case longestFirst
        case onlyFirst
        case onlySecond
    }

    /// Tokens that stay, the special ones included.
    public var maximumLength: Int
    public var strategy: Strategy

    public init(maximumLength: Int, strategy: Strategy = .longestFirst) {
        self.maximumLength = maximumLength
        self.strategy = strategy
    }

    /// Tokens that stay of each text.
    /// - Parameter room: tokens of both together.
    /// - Throws: ``TokenizationError/noRoomForText(otherTokenCount:maximum:)``.
    func counts(first: Int, second: Int, room: Int) throws -> (first: Int, second: Int) {
        let room = max(room, 0)
        guard first + second > room else { return (first, second) }
        switch strategy {
        case .onlyFirst:
            guard second < room else { throw noRoom(second, room) }
            return (room - second, second)
        case .onlySecond:
            guard first < room else { throw noRoom(first, room) }
            return (first, room - first)
        case .longestFirst:
            let shorter = min(first, second)
            // The half that rounding leaves goes to the longer one.
            let kept = shorter <= room / 2 ? (shorter, room - shorter) : (room / 2, room - room / 2)
            return first > second ? (kept.1, kept.0) : kept
        }
    }

    private func noRoom(_ other: Int, _ room: Int) -> TokenizationError {
        .noRoomForText(otherTokenCount: other + maximumLength - room, maximum: maximumLength)
    }
}

/// How offsets leave out whitespace that a token begins or ends with (byte-level post-processors).
public struct OffsetTrimming: Sendable, Equatable {
    /// Whether the first token's leading space was put there by the tokenizer, and so is not in the text.
    public var addsPrefixSpace: Bool

    public init(addsPrefixSpace: Bool) {
        self.addsPrefixSpace = addsPrefixSpace
    }

    /// - Parameters:
    ///   - index: of the token in its text.
    ///   - token: its spelling in the vocabulary.
    func apply(to offsets: Range<Int>, index: Int, token: [UInt8]) -> Range<Int> {
        let scalars = String(decoding: token, as: UTF8.self).unicodeScalars
        func isSpace(_ scalar: Unicode.Scalar) -> Bool {
            scalar.value == ByteLevel.characters[0x20] || UnicodeClasses.isWhitespace(scalar.value)
        }
        var leading = scalars.prefix(while: isSpace).count
        let trailing = scalars.reversed().prefix(while: isSpace).count
        var (start, end) = (offsets.lowerBound, offsets.upperBound)
        if leading > 0 {
            if addsPrefixSpace, index == 0 || start == 0 { leading -= 1 }
            start = min(start + leading, end)
        }
        if trailing > 0, end >= trailing { end = max(end - trailing, start) }
        return start..<end
    }
}
