/// What a normalizer replaces or a pre-tokenizer splits at.
public enum TextPattern: Sendable {
    /// These characters, as they stand.
    case literal(String)
    /// A regular expression.
    case regex(RegexPattern)

    /// Calls `body` with the range of each match in turn.
    ///
    /// - Throws: ``TokenizationError/patternTooCostly(pattern:reason:)``.
    func forEachMatch(in text: ByteBuffer, _ body: (Range<Int>) -> Void) throws {
        switch self {
        case .regex(let regex): try regex.forEachMatch(in: text, body)
        case .literal(let string): LiteralSearch(Array(string.utf8)).forEachMatch(in: text, body)
        }
    }
}

/// Finds a byte string by the Knuth-Morris-Pratt algorithm: linear, whatever the text.
struct LiteralSearch {
    private let pattern: [UInt8]
    private let fallbacks: [Int]

    init(_ pattern: [UInt8]) {
        self.pattern = pattern
        var fallbacks = [Int](repeating: 0, count: max(pattern.count, 1))
        var matched = 0
        for index in pattern.indices.dropFirst() {
            while matched > 0, pattern[index] != pattern[matched] { matched = fallbacks[matched - 1] }
            if pattern[index] == pattern[matched] { matched += 1 }
            fallbacks[index] = matched
        }
        self.fallbacks = fallbacks
    }

    /// Calls `body` with each match from left to right, none overlapping the one before. An empty pattern matches
    /// before every character and at the end, as a regular expression does.
    func forEachMatch(in text: ByteBuffer, _ body: (Range<Int>) -> Void) {
        guard let first = pattern.first else {
            for index in 0..<text.count where text[index] & 0xC0 != 0x80 { body(index..<index) }
            if !text.isEmpty { body(text.count..<text.count) }
            return
        }
        if pattern.count == 1 {
            for index in 0..<text.count where text[index] == first { body(index..<index + 1) }
            return
        }
        var matched = 0
        for index in 0..<text.count {
            while matched > 0, text[index] != pattern[matched] { matched = fallbacks[matched - 1] }
            if text[index] == pattern[matched] { matched += 1 }
            if matched == pattern.count {
                body(index + 1 - matched..<index + 1)
                matched = 0
            }
        }
    }
}

extension LiteralSearch {
    /// The text with every match replaced.
    func replace(in text: [UInt8], with content: [UInt8]) -> [UInt8] {
        var replacement = Replacement(content: content)
        return text.withUnsafeBufferPointer { buffer in
            forEachMatch(in: buffer) { replacement.replace($0, in: buffer) }
            return replacement.finish(text, buffer)
        }
    }
}

extension TextPattern {
    /// The text with every match replaced.
    ///
    /// - Throws: ``TokenizationError/patternTooCostly(pattern:reason:)``.
    func replace(in text: [UInt8], with content: [UInt8]) throws -> [UInt8] {
        var replacement = Replacement(content: content)
        return try text.withUnsafeBufferPointer { buffer in
            try forEachMatch(in: buffer) { replacement.replace($0, in: buffer) }
            return replacement.finish(text, buffer)
        }
    }
}

/// Builds a text with its matches replaced; without a match nothing is copied.
private struct Replacement {
    let content: [UInt8]
    private var output: [UInt8] = []
    private var position = 0
    private var hasMatch = false

    init(content: [UInt8]) {
        self.content = content
    }

    mutating func replace(_ match: Range<Int>, in text: ByteBuffer) {
        if !hasMatch { output.reserveCapacity(text.count + content.count) }
        hasMatch = true
        output.append(contentsOf: text[position..<match.lowerBound])
        output.append(contentsOf: content)
        position = match.upperBound
    }

    mutating func finish(_ text: [UInt8], _ buffer: ByteBuffer) -> [UInt8] {
        guard hasMatch else { return text }
        output.append(contentsOf: buffer[position...])
        return output
    }
}
