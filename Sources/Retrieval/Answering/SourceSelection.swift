/// Makes sources of hits: with the chunks around them, without repetitions, and varied where that is asked for.
struct SourceSelection {
    let reader: CollectionReader
    /// Chunks before and behind each hit that come with it.
    let neighbourCount: Int
    /// Lambda of maximal marginal relevance; `nil`: the order of the search.
    let lambda: Double?
    let count: Int

    /// Two texts that share more of their terms than this count as the same.
    private static let sameness = 0.9

    private struct Candidate {
        var found: FoundChunk
        /// The chunks that its text consists of, in the order of the document.
        var chunks: [Int64]
        var score: Double
        var terms: Set<String>
    }

    /// - Throws: ``RetrievalError``.
    func sources(of hits: [Hit]) throws -> [AnswerSource] {
        var candidates: [Candidate] = []
        for hit in hits {
            if lambda == nil, candidates.count == count { break }
            guard let candidate = try candidate(hit, beside: &candidates) else { continue }
            candidates.append(candidate)
        }
        let order = lambda.map { lambda in
            MaximalMarginalRelevance.select(scores: candidates.map(\.score), lambda: lambda, count: count) {
                SourceSelection.likeness(candidates[$0].terms, candidates[$1].terms)
            }
        }
        return try (order ?? Array(candidates.indices.prefix(count))).enumerated().map { place, index in
            try source(candidates[index], number: place + 1)
        }
    }

    /// - Returns: `nil` for a hit that says what another has said, or that joins one that its neighbours reach.
    private func candidate(_ hit: Hit, beside others: inout [Candidate]) throws -> Candidate? {
        let found = try reader.chunk(hit.chunk)
        let chunks =
            neighbourCount == 0 ? [hit.chunk] : try reader.neighbours(of: hit.chunk, reach: neighbourCount)
        for index in others.indices where others[index].found.document == found.document {
            let known = others[index].chunks
            guard !Set(known).isDisjoint(with: chunks) else { continue }
            others[index].chunks = Set(known + chunks).sorted()
            return nil
        }
        let terms = Set(reader.settings.analyzer.terms(in: found.chunk.text))
        guard !others.contains(where: { SourceSelection.likeness($0.terms, terms) > SourceSelection.sameness }) else {
            return nil
        }
        return Candidate(found: found, chunks: chunks, score: hit.score, terms: terms)
    }

    private static func likeness(_ first: Set<String>, _ second: Set<String>) -> Double {
        let shared = first.intersection(second).count
        let all = first.count + second.count - shared
        return all == 0 ? 1 : Double(shared) / Double(all)
    }

    private func source(_ candidate: Candidate, number: Int) throws -> AnswerSource {
        let parts = try candidate.chunks.map { try reader.chunk($0).chunk }
        var text = ""
        var range = candidate.found.chunk.byteRange
        for part in parts {
            text = SourceSelection.join(text, part.text)
            range = min(range.lowerBound, part.byteRange.lowerBound)..<max(range.upperBound, part.byteRange.upperBound)
        }
        let found = candidate.found
        return AnswerSource(
            number: number, key: found.key, path: found.path, byteRange: range,
            lines: SourceLines.lines(of: range, in: found.path), headings: found.chunk.headings, text: text,
            score: candidate.score)
    }

    /// Two chunks that follow each other, without what the second repeats of the first.
    static func join(_ first: String, _ second: String) -> String {
        guard !first.isEmpty else { return second }
        let (before, after) = (Array(first.utf8), Array(second.utf8))
        let longest = min(before.count, after.count, 8192)
        for length in stride(from: longest, to: 8, by: -1) where before.suffix(length) == after.prefix(length) {
            return first + String(decoding: after[length...], as: UTF8.self)
        }
        return first + "\n" + second
    }
}
