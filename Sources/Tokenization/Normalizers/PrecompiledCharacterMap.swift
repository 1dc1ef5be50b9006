internal import CUTF8Proc
internal import JSONCore

/// The character map of a SentencePiece model: a double-array trie (darts-clone) from character sequences to places in
/// a pool of NUL-terminated replacements.
///
/// Applied grapheme by grapheme, then character by character, and always by the shortest match, as the reference does.
public struct PrecompiledCharacterMap: Sendable {
    private static let longestGraphemeByteCount = 5

    private let units: [UInt32]
    private let pool: [UInt8]

    /// - Parameter bytes: a 32-bit little-endian size of the trie in bytes, the trie, the pool.
    /// - Throws: ``TokenizationError/invalidCharacterMap(reason:)``.
    public init(_ bytes: [UInt8]) throws {
        guard bytes.count >= 4 else {
            throw TokenizationError.invalidCharacterMap(reason: "\(bytes.count) bytes are too few for its header")
        }
        func word(at offset: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << (8 * UInt32($1)) }
        }
        let trieByteCount = Int(word(at: 0))
        guard trieByteCount % 4 == 0, trieByteCount > 0, trieByteCount <= bytes.count - 4 else {
            throw TokenizationError.invalidCharacterMap(
                reason: "a trie of \(trieByteCount) bytes does not fit the \(bytes.count - 4) bytes after the header")
        }
        units = stride(from: 4, to: 4 + trieByteCount, by: 4).map { word(at: $0) }
        pool = Array(bytes[(4 + trieByteCount)...])
        guard pool.withUnsafeBufferPointer({ isWellFormed($0) }) else {
            throw TokenizationError.invalidCharacterMap(reason: "the replacements are not valid UTF-8")
        }
    }

    /// Appends the mapped text.
    func apply(to text: ByteBuffer, into output: inout [UInt8]) {
        var start = 0
        while start < text.count {
            let end = GraphemeBreaker.endOfGrapheme(text, from: start)
            if end - start <= PrecompiledCharacterMap.longestGraphemeByteCount,
                let replacement = replacement(of: ByteBuffer(rebasing: text[start..<end]))
            {
                output.append(contentsOf: pool[replacement])
                start = end
                continue
            }
            while start < end {
                let length = UTF8Text.decode(text, at: start).length
                if let replacement = replacement(of: ByteBuffer(rebasing: text[start..<start + length])) {
                    output.append(contentsOf: pool[replacement])
                } else {
                    output.append(contentsOf: text[start..<start + length])
                }
                start += length
            }
        }
    }

    /// The pool range that the shortest stored prefix of `text` maps to, or nil.
    private func replacement(of text: ByteBuffer) -> Range<Int>? {
        var position = 0
        func offset(_ unit: UInt32) -> Int { Int((unit >> 10) << ((unit & (1 << 9)) >> 6)) }
        position ^= offset(units[0])
        for byte in text {
            guard byte != 0 else { return nil }
            position ^= Int(byte)
            guard position < units.count else { return nil }
            let unit = units[position]
            guard unit & (1 << 31 | 0xFF) == UInt32(byte) else { return nil }
            position ^= offset(unit)
            if unit >> 8 & 1 == 1 {
                guard position < units.count else { return nil }
                return poolRange(from: Int(units[position] & (1 << 31 - 1)))
            }
        }
        return nil
    }

    /// The replacement that starts at `start`; nil where that is outside the pool or inside a character.
    private func poolRange(from start: Int) -> Range<Int>? {
        guard start < pool.count, pool[start] & 0xC0 != 0x80 else { return nil }
        return start..<(pool[start...].firstIndex(of: 0) ?? pool.count)
    }
}

/// Whether bytes are well-formed UTF-8.
func isWellFormed(_ text: ByteBuffer) -> Bool {
    var index = 0
    while index < text.count {
        let length = UTF8Scalar.length(in: text, at: index)
        guard length > 0 else { return false }
        index += length
    }
    return true
}

/// Finds the ends of extended grapheme clusters (UAX #29).
enum GraphemeBreaker {
    /// The end of the grapheme that starts at `start`, which is in the text.
    static func endOfGrapheme(_ text: ByteBuffer, from start: Int) -> Int {
        var (scalar, length) = UTF8Text.decode(text, at: start)
        var end = start + length
        var state: utf8proc_int32_t = 0
        while end < text.count {
            // Between two ASCII characters there is always a break, but for CR LF.
            if scalar < 0x80, text[end] < 0x80, scalar != 0x0D { return end }
            let (next, nextLength) = UTF8Text.decode(text, at: end)
            if utf8proc_grapheme_break_stateful(Int32(bitPattern: scalar), Int32(bitPattern: next), &state) {
                return end
            }
            scalar = next
            length = nextLength
            end += length
        }
        return end
    }
}
