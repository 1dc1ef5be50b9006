/// Cuts documents into chunks of a number of tokens.
public struct Chunker: Sendable {
    /// Where a chunk may end.
    public enum Strategy: String, Sendable, CaseIterable {
        /// At any word.
        case fixed
        /// At the ends of sentences and paragraphs.
        case sentence
        /// As `sentence`, and at headings and functions always.
        case structure
        /// As `structure`, and where the embeddings of neighbouring sentences part; needs an embedder.
        case semantic
    }

    public var strategy: Strategy
    /// Most tokens of a chunk.
    public var tokenCount: Int
    /// Tokens that a chunk repeats of the one before it.
    public var overlapTokenCount: Int
    /// Tokens of a text as the embedder counts them.
    let countTokens: @Sendable (String) throws -> Int

    /// - Throws: ``RetrievalError/invalidParameter(name:value:expected:)``.
    public init(
        strategy: Strategy = .structure, tokenCount: Int, overlapTokenCount: Int,
        countTokens: @escaping @Sendable (String) throws -> Int
    ) throws {
        guard tokenCount >= 8 else {
            throw RetrievalError.invalidParameter(
                name: "--chunk-tokens", value: "\(tokenCount)", expected: "an integer from 8")
        }
        guard (0...tokenCount / 2).contains(overlapTokenCount) else {
            throw RetrievalError.invalidParameter(
                name: "--overlap-tokens", value: "\(overlapTokenCount)",
                expected: "0 to half of --chunk-tokens (\(tokenCount / 2))")
        }
        self.strategy = strategy
        self.tokenCount = tokenCount
        self.overlapTokenCount = overlapTokenCount
        self.countTokens = countTokens
    }

    private struct Piece {
        var range: Range<Int>
        var tokenCount: Int
    }

    /// The chunks of a document in order; none where it holds no text.
    /// - Parameter breaks: offsets at which chunks end besides, ascending.
    package func chunks(of document: ExtractedText, breaks: [Int] = []) throws -> [Chunk] {
        let whole = [ExtractedText.Section(range: 0..<document.bytes.count, headings: [])]
        let isStructured = strategy == .structure || strategy == .semantic
        let sections = isStructured && !document.sections.isEmpty ? document.sections : whole
        var chunks: [Chunk] = []
        var breaks = breaks[...]
        for section in sections {
            let inside = breaks.drop { $0 <= section.range.lowerBound }.prefix { $0 < section.range.upperBound }
            breaks = breaks[inside.endIndex...]
            let ends = inside + [section.range.upperBound]
            for (start, end) in zip([section.range.lowerBound] + inside, ends) {
                for range in try ranges(document.bytes, start..<end) {
                    let text = document.bytes[range].trimmedText
                    guard !text.isEmpty else { continue }
                    chunks.append(Chunk(byteRange: document.fileRange(range), headings: section.headings, text: text))
                }
            }
        }
        return chunks
    }

    /// The chunks of a document; where the strategy is `semantic`, its sentences are embedded first. Blocks.
    /// - Throws: ``RetrievalError``, and what the embedder throws.
    func chunks(of document: ExtractedText, embedder: (any TextEmbedder)?) async throws -> [Chunk] {
        guard strategy == .semantic, let embedder else { return try chunks(of: document) }
        let finder = SemanticBreaks(tokenCount: tokenCount, countTokens: countTokens, embedder: embedder)
        return try chunks(of: document, breaks: try await finder.find(in: document))
    }

    /// Fills chunks piece by piece; a chunk starts with the last pieces of the one before as far as the overlap goes.
    private func ranges(_ bytes: [UInt8], _ section: Range<Int>) throws -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var current: [Piece] = []
        var count = 0
        var freshCount = 0
        for piece in try pieces(bytes, section) {
            if count + piece.tokenCount > tokenCount, freshCount > 0 {
                ranges.append(current[0].range.lowerBound..<(current.last?.range.upperBound ?? 0))
                let kept = overlap(of: current, beside: piece.tokenCount)
                current = Array(current.suffix(kept))
                count = current.reduce(0) { $0 + $1.tokenCount }
                freshCount = 0
            }
            current.append(piece)
            count += piece.tokenCount
            freshCount += 1
        }
        if freshCount > 0 { ranges.append(current[0].range.lowerBound..<(current.last?.range.upperBound ?? 0)) }
        return ranges
    }

    /// How many last pieces of a chunk the next one repeats, which must leave room for the piece that follows.
    private func overlap(of pieces: [Piece], beside next: Int) -> Int {
        let budget = min(overlapTokenCount, tokenCount - next)
        var (count, total) = (0, 0)
        for piece in pieces.reversed() {
            total += piece.tokenCount
            guard total <= budget else { break }
            count += 1
        }
        return count
    }

    /// What a chunk is put together from: sentences, and words where a sentence alone is too long.
    private func pieces(_ bytes: [UInt8], _ section: Range<Int>) throws -> [Piece] {
        guard strategy != .fixed else { return try words(bytes, section) }
        return try SentenceSplitter.split(bytes, in: section).flatMap { sentence -> [Piece] in
            let count = try countTokens(String(decoding: bytes[sentence.range], as: UTF8.self))
            // Pieces are small enough to leave room for an overlap.
            guard count > max(tokenCount - overlapTokenCount, 1) else {
                return [Piece(range: sentence.range, tokenCount: count)]
            }
            return try words(bytes, sentence.range)
        }
    }

    /// Words with the space behind them; what has no space in 64 bytes is cut there, between characters.
    private func words(_ bytes: [UInt8], _ range: Range<Int>) throws -> [Piece] {
        let longest = 64
        var pieces: [Piece] = []
        var start = range.lowerBound
        while start < range.upperBound {
            var end = start
            while end < range.upperBound, !isSpace(bytes[end]), end - start < longest { end += 1 }
            while end < range.upperBound, end > start, bytes[end] & 0xC0 == 0x80 { end -= 1 }
            if end == start { end = min(start + longest, range.upperBound) }
            while end < range.upperBound, isSpace(bytes[end]) { end += 1 }
            let count = try countTokens(String(decoding: bytes[start..<end], as: UTF8.self))
            pieces.append(Piece(range: start..<end, tokenCount: count))
            start = end
        }
        return pieces
    }

    private func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
}
