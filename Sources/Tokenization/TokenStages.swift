// The decoder stages that rewrite one token at a time.

struct WordPieceStage: DecoderStage {
    let prefix: [UInt8]
    let cleansUp: Bool
    private var isFirst = true

    init(prefix: [UInt8], cleansUp: Bool) {
        self.prefix = prefix
        self.cleansUp = cleansUp
    }

    mutating func push(_ token: [UInt8], into output: inout [[UInt8]]) {
        var text = token
        if !isFirst {
            if token.hasPrefix(prefix) { text.removeFirst(prefix.count) } else { text.insert(0x20, at: 0) }
        }
        isFirst = false
        if cleansUp { text = WordPieceStage.cleanUp(text) }
        output.append(text)
    }

    private static let corrections: [(LiteralSearch, [UInt8])] = [
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
        (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    ].map { (LiteralSearch(Array($0.0.utf8)), Array($0.1.utf8)) }

    static func cleanUp(_ token: [UInt8]) -> [UInt8] {
        // Every correction starts with a space and one of these.
        let isCandidate = zip(token, token.dropFirst()).contains { $0 == 0x20 && ".?!,'nd".utf8.contains($1) }
        guard isCandidate else { return token }
        return corrections.reduce(token) { $1.0.replace(in: $0, with: $1.1) }
    }
}

struct MetaspaceStage: DecoderStage {
    private let search: LiteralSearch
    private let dropsInFirst: Bool
    private var isFirst = true

    init(replacement: [UInt8], dropsInFirst: Bool) {
        search = LiteralSearch(replacement)
        self.dropsInFirst = dropsInFirst
    }

    mutating func push(_ token: [UInt8], into output: inout [[UInt8]]) {
        output.append(search.replace(in: token, with: isFirst && dropsInFirst ? [] : [0x20]))
        isFirst = false
    }
}

/// Holds one token back, because the last one loses its suffix without a space.
struct SuffixStage: DecoderStage {
    let suffix: LiteralSearch
    private var held: [UInt8]?

    init(suffix: LiteralSearch) {
        self.suffix = suffix
    }

    mutating func push(_ token: [UInt8], into output: inout [[UInt8]]) {
        if let held { output.append(suffix.replace(in: held, with: [0x20])) }
        held = token
    }

    mutating func finish(into output: inout [[UInt8]]) {
        if let held { output.append(suffix.replace(in: held, with: [])) }
        held = nil
    }
}

struct CTCStage: DecoderStage {
    let padding: LiteralSearch
    let wordDelimiter: LiteralSearch
    let cleansUp: Bool
    private var last: [UInt8]?

    init(padding: LiteralSearch, wordDelimiter: LiteralSearch, cleansUp: Bool) {
        self.padding = padding
        self.wordDelimiter = wordDelimiter
        self.cleansUp = cleansUp
    }

    mutating func push(_ token: [UInt8], into output: inout [[UInt8]]) {
        defer { last = token }
        guard token != last else { return }
        var text = padding.replace(in: token, with: [])
        if cleansUp { text = wordDelimiter.replace(in: WordPieceStage.cleanUp(text), with: [0x20]) }
        if !text.isEmpty { output.append(text) }
    }
}

struct ReplaceStage: DecoderStage {
    let pattern: TextPattern
    let content: [UInt8]

    mutating func push(_ token: [UInt8], into output: inout [[UInt8]]) throws {
        output.append(try pattern.replace(in: token, with: content))
    }
}

struct StripStage: DecoderStage {
    let content: [UInt8]
    let start: Int
    let stop: Int

    mutating func push(_ token: [UInt8], into output: inout [[UInt8]]) {
        var slice = token[...]
        guard !content.isEmpty else { return output.append(token) }
        var startRemaining = start
        while startRemaining > 0, slice.starts(with: content) {
            slice.removeFirst(content.count)
            startRemaining -= 1
        }
        slice.stripEnd(content, atMost: stop)
        output.append(Array(slice))
    }
}

/// Strips the ends of one token that comes in pieces.
struct FusedStripStage: DecoderStage {
    let content: [UInt8]
    private var startRemaining: Int
    private let stop: Int
    /// What may yet be the end of the text and is then stripped.
    private var held: [UInt8] = []

    init(content: [UInt8], start: Int, stop: Int) {
        self.content = content
        self.stop = stop
        startRemaining = content.isEmpty ? 0 : start
    }

    mutating func push(_ token: [UInt8], into output: inout [[UInt8]]) {
        var slice = token[...]
        while startRemaining > 0, slice.starts(with: content) {
            slice.removeFirst(content.count)
            startRemaining -= 1
        }
        if slice.isEmpty { return }
        startRemaining = 0
        guard stop > 0, !content.isEmpty else { return output.append(Array(slice)) }
        held += slice
        var end = held[...]
        end.stripEnd(content, atMost: stop)
        output.append(Array(end))
        held.removeFirst(end.count)
    }

    mutating func finish(into output: inout [[UInt8]]) {
        held = []
    }
}

extension ArraySlice where Element == UInt8 {
    /// Removes up to `limit` repetitions of `content` at the end.
    fileprivate mutating func stripEnd(_ content: [UInt8], atMost limit: Int) {
        var remaining = limit
        while remaining > 0, suffix(content.count).elementsEqual(content) {
            removeLast(content.count)
            remaining -= 1
        }
    }
}
