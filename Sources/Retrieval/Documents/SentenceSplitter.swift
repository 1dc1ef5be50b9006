/// The sentences and paragraphs of a text, by the rules of Unicode's annex 29 that matter for cutting: full stops, question
/// and exclamation marks of Latin, Chinese, Japanese and Indic scripts, and blank lines.
enum SentenceSplitter {
    struct Sentence {
        var range: Range<Int>
        /// Whether a paragraph ends with it.
        var endsParagraph: Bool
    }

    /// Sentences that lie one behind the other and cover `range`.
    static func split(_ bytes: [UInt8], in range: Range<Int>) -> [Sentence] {
        var sentences: [Sentence] = []
        var start = range.lowerBound
        var index = start
        while index < range.upperBound {
            let (scalar, length) = decode(bytes, at: index, limit: range.upperBound)
            index += length
            if scalar == "\n", let end = blankLineEnd(bytes, from: index, limit: range.upperBound) {
                sentences.append(Sentence(range: start..<end, endsParagraph: true))
                (start, index) = (end, end)
            } else if isFullwidthTerminator(scalar) {
                index = closersEnd(bytes, from: index, limit: range.upperBound)
                sentences.append(Sentence(range: start..<index, endsParagraph: false))
                start = index
            } else if isTerminator(scalar), let end = sentenceEnd(bytes, from: index, limit: range.upperBound) {
                sentences.append(Sentence(range: start..<end, endsParagraph: false))
                (start, index) = (end, end)
            }
        }
        if start < range.upperBound { sentences.append(Sentence(range: start..<range.upperBound, endsParagraph: true)) }
        return sentences
    }

    private static func isTerminator(_ scalar: Unicode.Scalar) -> Bool {
        ".?!\u{2026}\u{964}".unicodeScalars.contains(scalar)
    }

    private static func isFullwidthTerminator(_ scalar: Unicode.Scalar) -> Bool {
        "\u{3002}\u{FF01}\u{FF1F}\u{FF61}".unicodeScalars.contains(scalar)
    }

    /// Behind closing quotes and brackets.
    private static func closersEnd(_ bytes: [UInt8], from start: Int, limit: Int) -> Int {
        var index = start
        while index < limit {
            let (scalar, length) = decode(bytes, at: index, limit: limit)
            guard ")]}\"'\u{2019}\u{201D}\u{300D}\u{300F}\u{FF09}\u{BB}".unicodeScalars.contains(scalar) else { break }
            index += length
        }
        return index
    }

    /// Where the next sentence starts, if a full stop at `start - 1` ends one: space follows, and then no lower-case letter.
    private static func sentenceEnd(_ bytes: [UInt8], from start: Int, limit: Int) -> Int? {
        let closed = closersEnd(bytes, from: start, limit: limit)
        var index = closed
        while index < limit, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[index]) {
            if bytes[index] == 0x0A, blankLineEnd(bytes, from: index + 1, limit: limit) != nil { return nil }
            index += 1
        }
        guard index > closed, index < limit else { return nil }
        let (next, _) = decode(bytes, at: index, limit: limit)
        return next.properties.isLowercase ? nil : index
    }

    /// Behind the blank lines that follow a line's end; `nil` where none does.
    private static func blankLineEnd(_ bytes: [UInt8], from start: Int, limit: Int) -> Int? {
        var index = start
        var end: Int?
        while index < limit, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[index]) {
            index += 1
            if bytes[index - 1] == 0x0A { end = index }
        }
        return end
    }

    private static func decode(_ bytes: [UInt8], at index: Int, limit: Int) -> (Unicode.Scalar, Int) {
        let first = bytes[index]
        let length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        guard length > 1, index + length <= limit else { return (Unicode.Scalar(first), 1) }
        var value = UInt32(first) & (0xFF >> UInt32(length + 1))
        for offset in 1..<length { value = value << 6 | UInt32(bytes[index + offset] & 0x3F) }
        return (Unicode.Scalar(value) ?? "\u{FFFD}", length)
    }
}
