/// Where a text changes its topic: between sentences whose embeddings part.
///
/// The two sentences before a gap and the two behind it are embedded, and their distance is 1 less the cosine. A chunk ends at a
/// gap whose distance is larger than the mean of the document's by more than a standard deviation, unless what is cut off, or
/// what is left of its part, has fewer than an eighth of a chunk's tokens. Headings end chunks as in `structure`.
struct SemanticBreaks {
    private static let batchCount = 256

    let tokenCount: Int
    let countTokens: @Sendable (String) throws -> Int
    let embedder: any TextEmbedder

    private struct Part {
        var sentences: [Range<Int>]
        var texts: [String]
        /// One fewer than sentences.
        var distances: [Double] = []
    }

    /// Offsets in the text's bytes, ascending. Blocks while sentences are embedded.
    /// - Throws: what the embedder throws.
    func find(in document: ExtractedText) async throws -> [Int] {
        let whole = [ExtractedText.Section(range: 0..<document.bytes.count, headings: [])]
        var parts = (document.sections.isEmpty ? whole : document.sections).map { part(document.bytes, $0.range) }
        // The windows of a part: each two sentences that follow each other, and the first and the last by itself.
        let windows = parts.map { part -> [String] in
            guard part.texts.count > 1 else { return [] }
            return (0...part.texts.count).map { index in
                part.texts[max(index - 1, 0)...min(index, part.texts.count - 1)].joined(separator: " ")
            }
        }
        var vectors = try await embed(windows.flatMap { $0 })[...]
        for (index, windows) in windows.enumerated() where !windows.isEmpty {
            let own = Array(vectors.prefix(windows.count))
            vectors = vectors.dropFirst(windows.count)
            parts[index].distances = (1..<windows.count - 1).map { 1 - SemanticBreaks.cosine(own[$0 - 1], own[$0 + 1]) }
        }
        let all = parts.flatMap(\.distances)
        guard !all.isEmpty else { return [] }
        let mean = all.reduce(0, +) / Double(all.count)
        let variance = all.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(all.count)
        let threshold = mean + variance.squareRoot()
        return try parts.flatMap { try breaks(of: $0, above: threshold) }
    }

    private func part(_ bytes: [UInt8], _ range: Range<Int>) -> Part {
        let sentences = SentenceSplitter.split(bytes, in: range).map(\.range)
            .map { (range: $0, text: bytes[$0].trimmedText) }.filter { !$0.text.isEmpty }
        return Part(sentences: sentences.map(\.range), texts: sentences.map(\.text))
    }

    private func embed(_ texts: [String]) async throws -> [[Float]] {
        var vectors: [[Float]] = []
        for start in stride(from: 0, to: texts.count, by: SemanticBreaks.batchCount) {
            let batch = Array(texts[start..<min(start + SemanticBreaks.batchCount, texts.count)])
            vectors += try await embedder.embed(batch, isQuery: false)
        }
        return vectors
    }

    private func breaks(of part: Part, above threshold: Double) throws -> [Int] {
        guard part.distances.contains(where: { $0 > threshold }) else { return [] }
        let counts = try part.texts.map(countTokens)
        let least = max(tokenCount / 8, 1)
        var found: [Int] = []
        var (before, left) = (0, counts.reduce(0, +))
        for (index, distance) in part.distances.enumerated() {
            before += counts[index]
            left -= counts[index]
            guard distance > threshold, before >= least, left >= least else { continue }
            found.append(part.sentences[index + 1].lowerBound)
            before = 0
        }
        return found
    }

    private static func cosine(_ a: [Float], _ b: [Float]) -> Double {
        var (product, first, second) = (0.0, 0.0, 0.0)
        for (x, y) in zip(a, b) {
            product += Double(x) * Double(y)
            first += Double(x) * Double(x)
            second += Double(y) * Double(y)
        }
        let lengths = (first * second).squareRoot()
        return lengths > 0 ? product / lengths : 0
    }
}
