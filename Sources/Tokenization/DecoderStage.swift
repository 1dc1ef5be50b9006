internal import JSONCore

/// A step of decoding that takes tokens one at a time and hands on what is certain. Decoding all at once runs the same
/// steps, so that streamed text is the same text.
protocol DecoderStage: Sendable {
    /// Takes a token and appends the tokens that follow from it to `output`.
    mutating func push(_ token: [UInt8], into output: inout [[UInt8]]) throws
    /// Appends what was held back.
    mutating func finish(into output: inout [[UInt8]]) throws
}

extension DecoderStage {
    mutating func finish(into output: inout [[UInt8]]) throws {}
}

struct PassStage: DecoderStage {
    mutating func push(_ token: [UInt8], into output: inout [[UInt8]]) {
        output.append(token)
    }
}

/// Puts a space between tokens: what happens without a decoder.
struct JoinStage: DecoderStage {
    private var isFirst = true

    mutating func push(_ token: [UInt8], into output: inout [[UInt8]]) {
        output.append(isFirst ? token : [0x20] + token)
        isFirst = false
    }
}

/// Gathers all pieces of a fused token before the inner stage sees it: nothing streams, but the text is right.
struct GatheringStage: DecoderStage {
    var inner: any DecoderStage
    private var gathered: [UInt8] = []
    private var isEmpty = true

    init(inner: any DecoderStage) {
        self.inner = inner
    }

    mutating func push(_ token: [UInt8], into output: inout [[UInt8]]) {
        gathered += token
        isEmpty = false
    }

    mutating func finish(into output: inout [[UInt8]]) throws {
        guard !isEmpty else { return }
        try inner.push(gathered, into: &output)
        try inner.finish(into: &output)
    }
}

/// Joins bytes to characters, holding back a character's first bytes until the others come.
struct ByteLevelStage: DecoderStage {
    private var pending: [UInt8] = []

    mutating func push(_ token: [UInt8], into output: inout [[UInt8]]) {
        token.withUnsafeBufferPointer { ByteLevel.decode($0, into: &pending) }
        let end = UTF8Repair.endOfCertainText(pending)
        guard end > 0 else { return }
        output.append(UTF8Repair.repair(pending[..<end]))
        pending.removeFirst(end)
    }

    mutating func finish(into output: inout [[UInt8]]) {
        if !pending.isEmpty { output.append(UTF8Repair.repair(pending[...])) }
        pending = []
    }
}

enum UTF8Repair {
    /// Well-formed text with U+FFFD for each maximal ill-formed part.
    static func repair(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        if bytes.withUnsafeBufferPointer({ isWellFormed($0) }) { return Array(bytes) }
        return Array(String(decoding: bytes, as: UTF8.self).utf8)
    }

    /// Where an unfinished character at the end starts, or the end.
    static func endOfCertainText(_ bytes: [UInt8]) -> Int {
        for distance in 1...3 where distance <= bytes.count {
            let start = bytes.count - distance
            let byte = bytes[start]
            if byte & 0xC0 == 0x80 { continue }
            // Completed with the least and the greatest continuation bytes, one of the two must be well-formed.
            let isUnfinished =
                byte >= 0xC2
                && [UInt8(0x80), 0xBF, 0x8F, 0x90, 0x9F, 0xA0].contains { fill in
                    let padded = Array(bytes[start...]) + [fill, 0x80, 0x80]
                    return padded.withUnsafeBufferPointer { UTF8Scalar.length(in: $0, at: 0) } > distance
                }
            return isUnfinished ? start : bytes.count
        }
        return bytes.count
    }
}

struct ByteFallbackStage: DecoderStage {
    private var run: [UInt8] = []

    mutating func push(_ token: [UInt8], into output: inout [[UInt8]]) {
        if let byte = ByteFallbackStage.byte(of: token) {
            run.append(byte)
        } else {
            flush(into: &output)
            output.append(token)
        }
    }

    mutating func finish(into output: inout [[UInt8]]) {
        flush(into: &output)
    }

    private mutating func flush(into output: inout [[UInt8]]) {
        guard !run.isEmpty else { return }
        if run.withUnsafeBufferPointer({ isWellFormed($0) }) {
            output.append(run)
        } else {
            output += repeatElement(Array("\u{FFFD}".utf8), count: run.count)
        }
        run.removeAll()
    }

    /// The byte that a token such as `<0x0A>` stands for.
    private static func byte(of token: [UInt8]) -> UInt8? {
        guard token.count == 6, token.hasPrefix(Array("<0x".utf8)), token[5] == UInt8(ascii: ">") else { return nil }
        return UInt8(String(decoding: token[3..<5], as: UTF8.self), radix: 16)
    }
}

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
        guard token.contains(0x20) else { return token }
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

extension LiteralSearch {
    func replace(in text: [UInt8], with content: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        var position = 0
        text.withUnsafeBufferPointer { buffer in
            forEachMatch(in: buffer) { match in
                output.append(contentsOf: buffer[position..<match.lowerBound])
                output.append(contentsOf: content)
                position = match.upperBound
            }
            output.append(contentsOf: buffer[position...])
        }
        return output
    }
}

extension TextPattern {
    /// The text with every match replaced.
    func replace(in text: [UInt8], with content: [UInt8]) throws -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(text.count)
        var position = 0
        try text.withUnsafeBufferPointer { buffer in
            try forEachMatch(in: buffer) { match in
                output.append(contentsOf: buffer[position..<match.lowerBound])
                output.append(contentsOf: content)
                position = match.upperBound
            }
            output.append(contentsOf: buffer[position...])
        }
        return output
    }
}
