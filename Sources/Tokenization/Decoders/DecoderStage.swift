internal import JSONCore

/// A step of decoding that takes tokens one at a time and hands on what is certain. Decoding all at once runs the same
/// steps, so that streamed text is the same text.
protocol DecoderStage: Sendable {
    /// Takes a token and appends the tokens that follow from it to `output`.
    mutating func push(_ token: [UInt8], into output: inout [[UInt8]]) throws
    /// Appends what was held back.
    mutating func finish(into output: inout [[UInt8]]) throws
    /// Appends the whole characters that were held back only since later bytes might turn out to be none.
    mutating func settle(into output: inout [[UInt8]])
}

extension DecoderStage {
    mutating func finish(into output: inout [[UInt8]]) throws {}
    mutating func settle(into output: inout [[UInt8]]) {}
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

    mutating func settle(into output: inout [[UInt8]]) {
        let end = UTF8Repair.endOfCertainText(run)
        let unfinished = run[end...]
        run.removeSubrange(end...)
        flush(into: &output)
        run += unfinished
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
    static func byte(of token: [UInt8]) -> UInt8? {
        guard token.count == 6, token[0] == UInt8(ascii: "<"), token[1] == UInt8(ascii: "0"),
            token[2] == UInt8(ascii: "x"), token[5] == UInt8(ascii: ">")
        else { return nil }
        return UInt8(String(decoding: token[3..<5], as: UTF8.self), radix: 16)
    }
}
